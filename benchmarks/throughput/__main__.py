"""`python -m benchmarks.throughput`."""

from benchmarks.throughput.command import main
from ramac_jax.cli import console

console.run_command(main, keep_programs=False, many_cores=True)
