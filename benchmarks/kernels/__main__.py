"""`python -m benchmarks.kernels`."""

from benchmarks.kernels.command import main
from ramac_jax.cli import console

console.run_command(main, keep_programs=False)
