"""`python -m benchmarks.kernels`."""

from benchmarks.kernels.command import main
from ramac_jax.cli import process

process.run_command(main, "benchmarks.kernels", keep_programs=False)
