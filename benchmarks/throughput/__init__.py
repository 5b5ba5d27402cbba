"""Updates/s of populations: `python -m benchmarks.throughput`."""
