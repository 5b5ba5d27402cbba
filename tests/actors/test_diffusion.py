"""RADAC's sampler against the textbook, and its schedules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.actors.diffusion import (
    cosine_betas,
    linear_betas,
    variance_preserving_betas,
)
from ramac_jax.compute.flat_params import functional, pack
from ramac_jax.networks.vector_field import VectorField

KEY = jax.random.key(2)


def test_variance_preserving_betas_of_five_steps():
    betas = variance_preserving_betas(5)
    published = [0.1959, 0.4588, 0.6358, 0.7549, 0.8350]
    np.testing.assert_allclose(betas, published, atol=5e-5)
    np.testing.assert_allclose(np.prod(1.0 - betas), 0.00641, atol=5e-6)


@pytest.mark.parametrize("num_steps", [1, 5, 50])
def test_variance_preserving_noise_at_the_end_is_that_of_the_sde(num_steps):
    kept = np.prod(1.0 - variance_preserving_betas(num_steps))
    np.testing.assert_allclose(kept, np.exp(-0.5 * (0.1 + 10.0)), rtol=1e-9)


def test_linear_betas_of_a_thousand_steps_are_the_original_ones():
    betas = linear_betas(1000)
    np.testing.assert_allclose(betas, np.linspace(1e-4, 0.02, 1000), rtol=1e-12)
    np.testing.assert_allclose(linear_betas(4), [0.025, 0.999, 0.999, 0.999])


def test_cosine_betas_follow_the_cosine():
    kept = np.cumprod(1.0 - cosine_betas(4))
    expected = np.cos(0.5 * np.pi * (np.array([1, 2, 3]) / 4 + 0.008) / 1.008) ** 2
    expected /= np.cos(0.5 * np.pi * 0.008 / 1.008) ** 2
    np.testing.assert_allclose(kept[:3], expected, rtol=1e-9)
    np.testing.assert_allclose(kept[3], 1e-3 * kept[2], rtol=1e-9)


@pytest.mark.parametrize(
    "betas", [variance_preserving_betas, linear_betas, cosine_betas]
)
@pytest.mark.parametrize("num_steps", [1, 5, 200])
def test_betas_are_shares_that_rise(betas, num_steps):
    shares = betas(num_steps)
    assert shares.shape == (num_steps,)
    assert np.all((shares > 0.0) & (shares < 1.0))
    assert np.all(np.diff(shares) >= 0.0)


def textbook_sampler(weights, observation, noise, betas):
    """Ancestral sampling of Ho et al. (2020), with weights of its own for each step.

    The posterior mean is the product of N(a_t; sqrt(1 - beta_t) a_{t-1}, beta_t) and
    N(a_{t-1}; sqrt(abar_{t-1}) a_0, 1 - abar_{t-1}): precisions add.
    """
    network = functional(VectorField(2, (8,), 4))
    action = noise[-1]
    for t in reversed(range(len(betas))):
        kept, before = np.prod(1.0 - betas[: t + 1]), np.prod(1.0 - betas[:t])
        time = jnp.full((*action.shape[:-1], 1), float(t))
        predicted = network.apply(weights[t], observation, time).vector(action)
        clean = (action - np.sqrt(1.0 - kept) * predicted) / np.sqrt(kept)
        clean = jnp.clip(clean, -1.0, 1.0)
        if t == 0:
            return jnp.clip(clean, -1.0, 1.0)
        forward = (1.0 - betas[t]) / betas[t]
        prior = 1.0 / (1.0 - before)
        variance = 1.0 / (forward + prior)
        mean = variance * (
            forward / np.sqrt(1.0 - betas[t]) * action + prior * np.sqrt(before) * clean
        )
        action = mean + np.sqrt(variance) * noise[t - 1]


def quiet(params):
    """The same network with a quieter last layer, so that no step is clipped."""
    layers = params.layers()
    last = jax.tree.map(lambda x: 0.05 * x, layers["Layer_1"])
    return pack(layers | {"Layer_1": last})


@pytest.fixture(scope="module")
def case(make_batch):
    actor = rj.diffusion_actor(2, num_steps=4, widths=(8,), time_width=4)
    batch = make_batch()
    params = quiet(actor.init(KEY, batch.observation, batch.action))
    noise = 0.02 * actor.draw_noise(batch.observation, KEY)
    return actor, params, batch.observation, noise


def test_noise_is_the_start_and_one_draw_for_each_step(case):
    _, _, observation, noise = case
    assert noise.shape == (4, *observation.shape[:-1], 2)


def test_the_sampler_is_that_of_the_textbook(case):
    actor, params, observation, noise = case
    for scale in (1.0, 50.0):  # without and with clipping
        expected = textbook_sampler(
            [params] * 4, observation, scale * noise, variance_preserving_betas(4)
        )
        action = actor.sample_from_noise(params, observation, scale * noise)
        np.testing.assert_allclose(action, expected, rtol=1e-4, atol=1e-5)
    assert np.any(np.abs(action) == 1.0)


def test_the_gradient_is_the_sum_of_one_for_every_step(case, close):
    actor, params, observation, noise = case
    betas = variance_preserving_betas(4)

    def of_steps(weights):
        return textbook_sampler(weights, observation, noise, betas).sum()

    by_step = jax.jit(jax.grad(of_steps))([params] * 4)
    sizes = [np.abs(jax.tree.leaves(g)[-1]).max() for g in by_step]
    assert min(sizes) > 1e-4, sizes
    total = jax.tree.map(lambda *g: sum(g), *by_step)
    whole = jax.jit(
        jax.grad(lambda p: actor.sample_from_noise(p, observation, noise).sum())
    )(params)
    close(whole, total, rtol=1e-3, atol=1e-3)


def test_cloning_loss_of_a_silent_denoiser_is_the_variance_of_the_noise(case):
    actor, params, _, _ = case
    silent = jax.tree.map(jnp.zeros_like, params)
    rows = (jnp.zeros((20_000, 3)), jnp.full((20_000, 2), 0.3))
    np.testing.assert_allclose(actor.bc_loss(silent, *rows, KEY), 1.0, rtol=0.03)
