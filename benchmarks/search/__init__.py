"""Samplers of the search, on known response surfaces and on the risky bandit."""
