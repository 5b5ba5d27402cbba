"""What XLA makes of an update for a GPU: `python -m benchmarks.kernels`."""
