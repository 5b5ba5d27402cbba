"""`python -m benchmarks.tails.peers`."""

from benchmarks.tails.peers.command import main
from ramac_jax.cli import process

if __name__ == "__main__":
    process.run_command(main, "benchmarks.tails.peers", keep_programs=False)
