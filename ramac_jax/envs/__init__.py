"""Where the risk comes from: environments and datasets.

Importing this package registers the environments with Gymnasium, so
`gymnasium.make("ramac_jax.envs:ramac_jax/RiskyBandit-v0")` needs no other import, nor
does `gymnasium.make("ramac_jax.envs:ramac_jax/hopper-medium-expert-v5")`.
"""

import gymnasium

from ramac_jax.envs.registration import register_tasks

BANDIT_ID = "ramac_jax/RiskyBandit-v0"

gymnasium.register(BANDIT_ID, entry_point="ramac_jax.envs.bandit:RiskyBandit")
register_tasks()
