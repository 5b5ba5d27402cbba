"""Whether evaluations and checkpoints stall training: `python -m benchmarks.stalls`."""
