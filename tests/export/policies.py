"""Policies of two agents with random numbers, of every registered actor."""

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax import policy as checkpoints
from ramac_jax.guard import Guard
from ramac_jax.normalization import Scaling

SCALING = Scaling(
    observation_mean=jnp.array([1.0, 2.0, 3.0]),
    observation_std=jnp.array([0.1, 1.0, 10.0]),
    action_low=jnp.array([-2.0, 0.0]),
    action_high=jnp.array([2.0, 10.0]),
)
GUARD = Guard(
    mean=jnp.array([1.0, 2.0, 3.0]),
    std=jnp.array([0.2, 1.0, 10.0]),
    threshold=jnp.float32(4.0),
)
CRITIC = checkpoints.CriticSpec(
    name="quantile",
    options={"width": 8, "embedding_width": 8, "num_cosines": 4},
    risk_measure="cvar",
    risk_level=0.25,
    num_quantiles=8,
)
STEPS = {"num_steps": 3}
SMALL = {"widths": [8]}
OPTIONS = {
    "diffusion": STEPS | SMALL,
    "flow": STEPS | SMALL,
    "vae": SMALL,
    "gaussian": SMALL,
    "distilled-flow": STEPS | SMALL | {"student_widths": [8]},
    "perturbed-vae": SMALL,
    "perturbed-diffusion": STEPS | SMALL,
    "perturbed-flow": STEPS | SMALL,
}
OBSERVATION = np.array([[1.1, 2.0, -7.0], [0.9, 0.1, 0.2], [1.0, 3.0, 4.0]], np.float32)


def make_policy(kind, critic=CRITIC, guard=GUARD, scaling=SCALING):
    spec = checkpoints.PolicySpec(
        scaling=scaling,
        actor=kind,
        actor_options=OPTIONS[kind],
        critic=critic,
        guard=guard,
    )
    actor = checkpoints.build_actor(spec)
    built = None if critic is None else checkpoints.build_critic(critic)
    draw = np.random.default_rng(0)
    example = (
        jnp.zeros((1, spec.observation_dim)),
        jnp.zeros((1, spec.action_dim)),
    )

    def fill(leaf):
        return jnp.asarray(draw.normal(size=(2, *leaf.shape)) * 0.3, leaf.dtype)

    shapes = [
        jax.eval_shape(part.init, jax.random.key(0), *example)
        for part in (actor, built)
        if part is not None
    ]
    params, *rest = jax.tree.map(fill, shapes)
    return checkpoints.Policy(
        spec=spec,
        actor=actor,
        params=params,
        critic=built,
        critic_params=rest[0] if rest else None,
    )
