"""The risky bandit, learned by every agent: `python -m ramac_jax.cli.bandit`."""
