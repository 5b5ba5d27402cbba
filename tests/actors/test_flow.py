"""RAFMAC's sampler and loss, worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.compute.flat_params import functional, pack
from ramac_jax.networks.vector_field import VectorField

KEY = jax.random.key(2)
STEPS = 4


@pytest.fixture(scope="module")
def case(make_batch):
    actor = rj.flow_actor(2, num_steps=STEPS, widths=(8,), time_width=4)
    batch = make_batch()
    params = actor.init(KEY, batch.observation, batch.action)
    noise = 0.1 * actor.draw_noise(batch.observation, KEY)
    return actor, params, batch.observation, noise


def constant_field(params, velocity):
    """The network whose velocity is the same everywhere."""
    silent = jax.tree.map(jnp.zeros_like, params.layers())
    silent["Layer_1"]["bias"] = jnp.asarray(velocity)
    return pack(silent)


def euler(weights, observation, noise):
    """Four Euler steps at times 0, 1/4, 1/2, 3/4, with weights of its own each."""
    network, action = functional(VectorField(2, (8,), 4)), noise
    for step in range(STEPS):
        time = jnp.full((*action.shape[:-1], 1), step / STEPS)
        field = network.apply(weights[step], observation, time)
        action = action + field.vector(action) / STEPS
    return jnp.clip(action, -1.0, 1.0)


def test_noise_is_where_the_flow_starts(case):
    _, _, observation, noise = case
    assert noise.shape == (*observation.shape[:-1], 2)


def test_a_constant_velocity_is_added_once_and_clipped(case):
    actor, params, _, _ = case
    params, start = constant_field(params, [0.5, -0.9]), jnp.array([0.1, -0.3])
    action = actor.sample_from_noise(params, jnp.zeros(3), start)
    np.testing.assert_allclose(action, [0.6, -1.0], rtol=1e-6)


def test_the_sampler_takes_euler_steps(case):
    actor, params, observation, noise = case
    action = actor.sample_from_noise(params, observation, noise)
    expected = euler([params] * STEPS, observation, noise)
    np.testing.assert_allclose(action, expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_is_the_sum_of_one_for_every_step(case, close):
    actor, params, observation, noise = case
    by_step = jax.jit(jax.grad(lambda w: euler(w, observation, noise).sum()))(
        [params] * STEPS
    )
    sizes = [np.abs(jax.tree.leaves(g)[-1]).max() for g in by_step]
    assert min(sizes) > 1e-2, sizes
    total = jax.tree.map(lambda *g: sum(g), *by_step)
    whole = jax.jit(
        jax.grad(lambda p: actor.sample_from_noise(p, observation, noise).sum())
    )(params)
    close(whole, total, rtol=1e-4, atol=1e-4)


def test_cloning_loss_of_a_constant_velocity(case):
    """E|v - (a - x_0)|^2 / A = mean (v - a)^2 + 1, since x_0 ~ N(0, I)."""
    actor, params, _, _ = case
    velocity, data = np.array([0.5, -0.9]), np.array([0.2, 0.3])
    many = jnp.broadcast_to(jnp.asarray(data), (20_000, 2))
    fixed = constant_field(params, velocity)
    loss = actor.bc_loss(fixed, jnp.zeros((20_000, 3)), many, KEY)
    np.testing.assert_allclose(loss, np.mean((velocity - data) ** 2) + 1.0, rtol=0.03)
