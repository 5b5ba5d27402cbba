"""`python -m benchmarks.stalls`."""

from benchmarks.stalls.command import main
from ramac_jax.cli import process

if __name__ == "__main__":
    process.run_command(main, "benchmarks.stalls", keep_programs=False, many_cores=True)
