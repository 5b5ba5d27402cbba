"""The risky bandit, learned by every agent: `ramac bandit`."""
