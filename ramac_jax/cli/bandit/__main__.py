"""`python -m ramac_jax.cli.bandit`."""

from ramac_jax.cli import console
from ramac_jax.cli.bandit.command import main

console.run_command(main, many_cores=True)
