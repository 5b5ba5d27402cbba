"""Minari and D4RL datasets: load, convert, relabel, write."""

from ramac_jax.extras import require

for _module in ("gymnasium", "minari", "h5py"):
    require(_module, __name__)
