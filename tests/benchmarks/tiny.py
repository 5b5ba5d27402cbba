"""Cases that compile quickly."""

import dataclasses

import ramac_jax as rj
from benchmarks.throughput.cases import Case

# The layers are wide enough that XLA counts little else than matrix products.
TINY = Case(
    sampler_steps=2,
    actor_widths=(128, 128),
    width=64,
    embedding_width=64,
    num_quantiles=8,
    batch_size=32,
    dataset_size=64,
)

TINIEST = dataclasses.replace(
    TINY,
    actor=lambda action_dim, steps, **_: rj.gaussian_actor(action_dim, widths=(8,)),
    num_critics=1,
    width=8,
    embedding_width=8,
    num_cosines=4,
    num_quantiles=4,
    batch_size=4,
)
