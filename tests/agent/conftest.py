"""What the tests of agents share."""

import jax
import jax.numpy as jnp
import pytest

import ramac_jax as rj
from tests.agent.worked import HYPERPARAMS, KEY, POINT_ACTOR, ROWS, linear_critic


@pytest.fixture(scope="module")
def worked():
    agent = rj.ramac_agent(POINT_ACTOR, linear_critic(), num_quantiles=4)
    state = agent.init(KEY, ROWS)._replace(
        target_actor_params=jnp.array([0.25]),
        target_critic_params=jnp.array([3.0, -1.0]),
    )
    return jax.jit(agent.update)(state, ROWS, KEY, HYPERPARAMS)
