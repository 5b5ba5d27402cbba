"""`python -m benchmarks.coverage`."""

from benchmarks.coverage.command import main
from ramac_jax.cli import process

if __name__ == "__main__":
    process.run_command(main, "benchmarks.coverage", keep_programs=False)
