"""Commands: `python -m experiments.bandit` and `python -m experiments.train`."""
