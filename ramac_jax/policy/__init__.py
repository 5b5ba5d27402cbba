"""Trained policies: act, save to a checkpoint and load from it.

A checkpoint is a folder: `state/` holds every array of the agents' states, and
`policy.json` says how to build the actor and the critics, in which units they act, and
which numbers `state/` must hold.
"""

from ramac_jax.policy.builders import build_actor, build_critic
from ramac_jax.policy.distance import OODWarning
from ramac_jax.policy.loading import load_policy, load_states
from ramac_jax.policy.policy import Policy
from ramac_jax.policy.saving import save_acting, save_policy
from ramac_jax.policy_record import CriticSpec, PolicySpec

__all__ = [
    "CriticSpec",
    "OODWarning",
    "Policy",
    "PolicySpec",
    "build_actor",
    "build_critic",
    "load_policy",
    "load_states",
    "save_acting",
    "save_policy",
]
