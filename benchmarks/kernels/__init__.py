"""Kernels of an update on a GPU: `python -m benchmarks.kernels`."""
