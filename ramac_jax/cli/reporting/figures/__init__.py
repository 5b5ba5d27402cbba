"""Figures, drawn without a screen: one module for each kind of result."""

from ramac_jax.extras import require

require("matplotlib", "ramac_jax.cli.reporting.figures")
