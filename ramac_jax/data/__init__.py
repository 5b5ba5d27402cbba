"""Minari and D4RL datasets: load, convert, relabel, write."""
