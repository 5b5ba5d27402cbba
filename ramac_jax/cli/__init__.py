"""The program `ramac` and its commands; `ramac_jax.cli.main` lists them."""
