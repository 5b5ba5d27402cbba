"""The risky bandit, learned by every agent: `python -m experiments.bandit`."""
