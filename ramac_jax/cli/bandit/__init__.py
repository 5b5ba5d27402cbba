"""Agents on the risky bandit: `ramac bandit`."""
