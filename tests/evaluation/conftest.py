"""What the tests of rollouts share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.policy import Policy, PolicySpec
from tests.evaluation.counters import HOPPER, play, scaling


@pytest.fixture(scope="module")
def optimised():
    """Compile with XLA's optimiser: without it, one agent alone rounds otherwise."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def hopper():
    """Three untrained agents whose actions depend on what they see and on noise."""
    actor = rj.flow_actor(3, 2, widths=(16, 16))
    critic = rj.categorical_critic(-1.0, 1.0, widths=(16,), num_atoms=5)
    draw = np.random.default_rng(0)

    def params_of(init):
        shapes = jax.eval_shape(init, jax.random.key(0), jnp.ones(11), jnp.ones(3))
        return jax.tree.map(
            lambda x: jnp.asarray(0.5 * draw.normal(size=(3, *x.shape)), x.dtype),
            shapes,
        )

    return Policy(
        PolicySpec(scaling=scaling(11, 3)),
        actor,
        params_of(actor.init),
        critic,
        params_of(critic.init),
    )


@pytest.fixture(scope="module")
def hopper_episodes(optimised, hopper):
    return play(hopper, HOPPER, 3, seed=7, horizon=40)
