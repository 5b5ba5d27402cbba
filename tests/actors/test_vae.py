"""The VAE's loss and its latents, worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.actors import vae_actor
from ramac_jax.compute.flat_params import pack

KEY = jax.random.key(4)
OBSERVATION, ACTION = jnp.zeros((5, 3)), jnp.full((5, 2), 0.3)


def constant(actor, code, decoded):
    """Parameters under which encoder and decoder say the same whatever they see."""
    params = actor.init(KEY, OBSERVATION, ACTION)

    def saying(weights, output):
        silent = jax.tree.map(jnp.zeros_like, weights.layers())
        silent["Dense_1"]["bias"] = jnp.asarray(output, jnp.float32)
        return pack(silent)

    return {
        "encoder": saying(params["encoder"], code),
        "decoder": saying(params["decoder"], decoded),
    }


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_the_loss_is_squared_error_and_divergence(weight):
    actor = vae_actor(2, widths=(8,), kl_weight=weight)
    mean, log_std = np.array([0.5, -1.0, 0.0, 2.0]), np.array([0.1, -0.3, 0.0, 0.4])
    decoded = np.array([0.2, -0.1])
    params = constant(actor, [*mean, *log_std], np.arctanh(decoded))
    # KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1) / 2 - log s
    divergence = 0.5 * (mean**2 + np.exp(2 * log_std) - 1.0) - log_std
    expected = np.mean((0.3 - decoded) ** 2) + weight * np.mean(divergence)
    found = actor.bc_loss(params, OBSERVATION, ACTION, KEY)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_latents_beyond_the_bound_act_as_those_on_it():
    actor = vae_actor(2, widths=(8,), latent_bound=0.5)
    params = actor.init(KEY, OBSERVATION, ACTION)
    noise = jnp.linspace(-3.0, 3.0, 20).reshape(5, 4)
    assert np.any(np.abs(noise) > 0.5)
    acted = actor.sample_from_noise(params, OBSERVATION, noise)
    held = actor.sample_from_noise(params, OBSERVATION, jnp.clip(noise, -0.5, 0.5))
    np.testing.assert_array_equal(acted, held)
    assert np.any(
        acted
        != vae_actor(2, widths=(8,), latent_bound=3.0).sample_from_noise(
            params, OBSERVATION, noise
        )
    )


def test_it_learns_both_modes_of_its_data():
    """Two actions, as likely as each other: a Gaussian would act between them."""
    actor = vae_actor(1, widths=(32, 32), latent_bound=3.0, kl_weight=0.05)
    action = jnp.where(jnp.arange(512) % 2, 0.6, -0.6)[:, None]
    column, row = jnp.zeros((512, 1)), jnp.zeros(512)
    data = rj.Transition(column, action, row, column, row)
    agent = rj.ramac_agent(actor, rj.constant_critic())
    hyperparams = rj.Hyperparams(actor_learning_rate=1e-2, decay_steps=1500.0)

    @jax.jit
    def clone(state):
        state, _ = rj.make_train(agent, num_steps=1500, batch_size=128)(
            state, data, KEY, hyperparams
        )
        return agent.act(state, jnp.zeros((4000, 1)), KEY)

    drawn = np.asarray(clone(agent.init(KEY, data)))
    near = np.abs(np.abs(drawn) - 0.6) < 0.2
    assert near.mean() > 0.8
    assert 0.35 < (drawn[near] > 0.0).mean() < 0.65
