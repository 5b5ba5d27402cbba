"""`python -m experiments.bandit`."""

from experiments import console
from experiments.bandit.command import main

console.run_command(main, many_cores=True)
