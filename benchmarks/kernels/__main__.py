"""`python -m benchmarks.kernels`."""

from benchmarks.kernels.command import main
from ramac_jax.cli import process

if __name__ == "__main__":
    process.run_command(main, "benchmarks.kernels", keep_programs=False)
