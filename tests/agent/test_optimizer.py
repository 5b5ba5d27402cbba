"""One step of any optax transformation, at a traced learning rate."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ramac_jax as rj
from ramac_jax.agent.optimizer import ADAM, clip, clip_children, descend

SGD = optax.sgd(1.0)
GRADS = jnp.array([3.0, 4.0])  # norm 5
CLIPPED = jnp.array([0.6, 0.8])  # to norm 1


def test_adam_takes_its_first_step_along_the_signs_of_the_gradients():
    opt_state = ADAM.init(jnp.zeros(2))
    params, opt_state = descend(ADAM, jnp.ones(2), CLIPPED, opt_state, 0.1)
    np.testing.assert_allclose(opt_state[0].mu, [0.06, 0.08], rtol=1e-5)
    np.testing.assert_allclose(opt_state[0].nu, [0.36e-3, 0.64e-3], rtol=1e-4)
    np.testing.assert_allclose(params, [0.9, 0.9], rtol=1e-5)


def test_long_gradients_are_clipped_and_short_ones_are_not():
    np.testing.assert_allclose(clip(GRADS, 1.0), CLIPPED, rtol=1e-6)
    np.testing.assert_array_equal(clip(GRADS, 5.5), GRADS)
    np.testing.assert_array_equal(clip(jnp.zeros(2), 1.0), jnp.zeros(2))


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
    new, _ = descend(optimizer, params, CLIPPED, opt_state, 0.1)
    np.testing.assert_allclose(params - new, moved, rtol=1e-5)


def test_children_of_the_root_are_clipped_separately():
    grads = {"prior": 1000.0 * GRADS, "perturbation": {"bias": 0.1 * GRADS}}
    found = clip_children(grads, 1.0)
    np.testing.assert_allclose(found["prior"], CLIPPED, rtol=1e-5)
    np.testing.assert_array_equal(found["perturbation"]["bias"], 0.1 * GRADS)


def test_a_tree_is_clipped_by_the_norm_of_all_its_leaves():
    found = clip({"kernel": GRADS[:1], "bias": GRADS[1:]}, 1.0)
    np.testing.assert_allclose(found["kernel"], CLIPPED[:1], rtol=1e-6)
    np.testing.assert_allclose(found["bias"], CLIPPED[1:], rtol=1e-6)


def linear_critic(scale):
    """A critic of one's own, whose parameters are several leaves; E is 2."""

    def quantiles(params, observation, action, tau):
        value = observation @ params["kernel"].T + params["bias"]  # [B, E]
        return jnp.broadcast_to(value.T[..., None], (*value.T.shape, tau.size))

    return rj.Critic(
        init=lambda key, observation, action: {
            "kernel": jnp.zeros((2, observation.shape[-1])),
            "bias": jnp.full(2, scale),
        },
        quantiles=quantiles,
        loss=rj.quantile_loss(quantiles, rj.losses.squared_error),
    )


def test_each_critic_is_clipped_as_a_whole(make_actor, make_batch):
    batch = make_batch()
    critic = linear_critic(100.0)
    agent = rj.ramac_agent(make_actor("gaussian"), critic, optimizer=SGD)
    state = agent.init(jax.random.key(0), batch)
    hyperparams = rj.Hyperparams(critic_learning_rate=1.0, max_grad_norm=1.0)
    new, _ = jax.jit(agent.update)(state, batch, jax.random.key(1), hyperparams)
    moved = jax.tree.map(jnp.subtract, new.critic_params, state.critic_params)
    squares = jnp.sum(moved["kernel"] ** 2, axis=1) + moved["bias"] ** 2
    np.testing.assert_allclose(squares, 1.0, rtol=1e-4)


def test_an_optimizer_may_carry_keys_of_random_numbers(make_actor, make_batch):
    batch, key = make_batch(), jax.random.key(0)
    optimizer = optax.chain(optax.add_noise(0.1, 0.55, key), SGD)
    agent = rj.ramac_agent(
        make_actor("gaussian"), rj.constant_critic(), optimizer=optimizer
    )
    train = jax.jit(rj.make_train(agent, num_steps=2, batch_size=4))
    state, _ = train(agent.init(key, batch), batch, key, rj.Hyperparams())
    assert state.step == 2


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
