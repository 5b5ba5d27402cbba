"""Two agents with random numbers in every array, and the units that they act in."""

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.normalization import Scaling

OPTIONS = {
    "diffusion": {"num_steps": 3, "widths": [8], "time_width": 4},
    "flow": {"num_steps": 2, "widths": [8, 8], "time_width": 4},
}
CRITIC = checkpoints.CriticSpec(
    name="quantile",
    options={"width": 8, "embedding_width": 8, "num_cosines": 4},
    risk_measure="wang",
    risk_level=-0.75,
    num_quantiles=4,
    discount=0.9,
    reward_scale=0.1,
)
SCALING = Scaling(
    observation_mean=jnp.array([1.0, 2.0, 3.0]),
    observation_std=jnp.array([0.1, 1.0, 10.0]),
    action_low=jnp.array([-2.0, 0.0]),
    action_high=jnp.array([2.0, 10.0]),
)
OBSERVATION = np.array([[1.1, 2.0, -7.0], [0.0, 0.1, 0.2]])


def population(kind):
    """Two agents with random numbers in every leaf: no two alike, no zero optimiser."""
    spec = checkpoints.PolicySpec(
        scaling=SCALING, actor=kind, actor_options=OPTIONS[kind], critic=CRITIC
    )
    agent = rj.ramac_agent(
        checkpoints.build_actor(spec),
        checkpoints.build_critic(CRITIC),
        rj.risk.wang,
        num_quantiles=4,
    )
    batch = rj.Transition(
        np.ones((4, 3)), np.ones((4, 2)), np.ones(4), np.ones((4, 3)), np.zeros(4)
    )
    draw = np.random.default_rng(0)

    def fill(leaf):
        return jnp.asarray(draw.normal(size=(2, *leaf.shape)) * 0.3, leaf.dtype)

    shapes = jax.eval_shape(agent.init, jax.random.key(0), batch)
    return spec, agent, jax.tree.map(fill, shapes)


def assert_same(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
