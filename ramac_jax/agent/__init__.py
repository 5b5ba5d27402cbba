"""The algorithm: one update of the critics, then of the actor."""

from ramac_jax.agent.ramac import ramac_agent

__all__ = ["ramac_agent"]
