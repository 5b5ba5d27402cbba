"""`python -m benchmarks.kernels`."""

from benchmarks.kernels.command import main
from experiments import console

console.run_command(main, keep_programs=False)
