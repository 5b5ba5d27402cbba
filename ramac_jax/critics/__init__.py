"""Distributional action values, one file for each kind of `Critic`."""
