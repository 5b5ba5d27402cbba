"""Environments with stochastic rewards: the risky bandit and the locomotion tasks.

Importing this package registers the environments with Gymnasium, so
`gymnasium.make("ramac_jax.envs:ramac_jax/RiskyBandit-v0")` and
`gymnasium.make("ramac_jax.envs:ramac_jax/hopper-medium-expert-v5")` need no other
import.
"""

from ramac_jax.extras import require

require("gymnasium", __name__)

from ramac_jax.envs.registration import BANDIT_ID, register_environments  # noqa: E402

__all__ = ["BANDIT_ID", "register_environments"]

register_environments()
