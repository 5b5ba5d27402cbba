"""Commands: `python -m experiments.NAME`, bandit, data, train, evaluate or report."""
