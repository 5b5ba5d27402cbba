"""Figures, drawn without a screen: one module for each kind of result."""

import matplotlib

matplotlib.use("Agg")
