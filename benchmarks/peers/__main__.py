"""`python -m benchmarks.peers`."""

from benchmarks.peers.command import main
from ramac_jax.cli import process

if __name__ == "__main__":
    process.run_command(main, "benchmarks.peers", keep_programs=False)
