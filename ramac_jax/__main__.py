"""`python -m ramac_jax` is the program `ramac`."""

from ramac_jax.cli.main import main

main()
