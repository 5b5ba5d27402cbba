"""`python -m benchmarks.search`."""

from benchmarks.search.command import main
from ramac_jax.cli import process

if __name__ == "__main__":
    process.run_command(main, "benchmarks.search", keep_programs=False)
