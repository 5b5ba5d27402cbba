"""`python -m benchmarks.tails`."""

from benchmarks.tails.command import main
from ramac_jax.cli import process

if __name__ == "__main__":
    process.run_command(main, "benchmarks.tails", keep_programs=False)
