"""`python -m benchmarks.throughput`."""

from benchmarks.throughput.command import main
from ramac_jax.cli import process

process.run_command(main, "benchmarks.throughput", keep_programs=False, many_cores=True)
