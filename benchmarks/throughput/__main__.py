"""`python -m benchmarks.throughput`."""

from benchmarks.throughput.command import main
from ramac_jax.cli import process

if __name__ == "__main__":
    process.run_command(
        main, "benchmarks.throughput", keep_programs=False, many_cores=True
    )
