"""Flax modules: layers, shapes and initial weights."""
