"""One step of any optax transformation, at a traced learning rate."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ramac_jax as rj
from ramac_jax.agent.optimizer import ADAM, descend

SGD = optax.sgd(1.0)
GRADS = jnp.array([3.0, 4.0])  # norm 5: clipped to 1 it is .6, .8


def test_adam_takes_its_first_step_along_the_signs_of_the_gradients():
    opt_state = ADAM.init(jnp.zeros(2))
    params, opt_state = descend(ADAM, jnp.ones(2), GRADS, opt_state, 0.1, 1.0)
    np.testing.assert_allclose(opt_state[0].mu, [0.06, 0.08], rtol=1e-5)
    np.testing.assert_allclose(opt_state[0].nu, [0.36e-3, 0.64e-3], rtol=1e-4)
    np.testing.assert_allclose(params, [0.9, 0.9], rtol=1e-5)


def test_short_gradients_are_not_clipped():
    short = jnp.array([0.3, 0.4])
    opt_state = SGD.init(jnp.ones(2))
    params, _ = descend(SGD, jnp.ones(2), short, opt_state, 1.0, 1.0)
    np.testing.assert_allclose(params, 1.0 - short, rtol=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "moved"),
    [
        (SGD, [0.06, 0.08]),
        (optax.sign_sgd(1.0), [0.1, 0.1]),
        (optax.adamw(1.0, weight_decay=0.5), [0.15, 0.15]),  # 1 and half of the param
    ],
)
def test_any_transformation_is_an_optimizer(optimizer, moved):
    params = jnp.ones(2)
    opt_state = optimizer.init(params)
    new, _ = descend(optimizer, params, GRADS, opt_state, 0.1, 1.0)
    np.testing.assert_allclose(params - new, moved, rtol=1e-5)


def test_children_of_the_root_are_clipped_separately():
    params = {"prior": jnp.ones(2), "perturbation": jnp.ones(2)}
    grads = {"prior": 1000.0 * GRADS, "perturbation": 0.1 * GRADS}
    new, _ = descend(SGD, params, grads, SGD.init(params), 1.0, 1.0)
    np.testing.assert_allclose(1.0 - new["prior"], [0.6, 0.8], rtol=1e-5)
    np.testing.assert_allclose(1.0 - new["perturbation"], [0.3, 0.4], rtol=1e-5)


def test_an_agent_learns_by_the_optimizer_it_is_given(make_actor, make_batch):
    batch = make_batch()
    agent = rj.ramac_agent(make_actor("flow"), rj.constant_critic(), optimizer=SGD)
    state = agent.init(jax.random.key(0), batch)
    key = jax.random.key(1)
    hyperparams = rj.Hyperparams(actor_learning_rate=0.5, max_grad_norm=1e9)
    noise = agent.draw_noise(batch, key).rows.cloning
    actor = make_actor("flow")
    slope = jax.grad(actor.bc_loss_from_noise)(
        state.actor_params, batch.observation, batch.action, noise
    )
    new, _ = jax.jit(agent.update)(state, batch, key, hyperparams)
    moved = new.actor_params.vector - state.actor_params.vector
    np.testing.assert_allclose(moved, -0.5 * slope.vector, rtol=1e-4, atol=1e-6)
