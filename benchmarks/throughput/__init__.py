"""How fast the library is: `python -m benchmarks.throughput`, see `command`."""
