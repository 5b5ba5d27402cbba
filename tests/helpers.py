"""Small actors and agents that several test modules build."""

import jax.numpy as jnp

import ramac_jax as rj
from ramac_jax.types import Noise


def noiseless_actor(sample, init=lambda *_: None, bc_loss=lambda *_: jnp.zeros(())):
    """An actor whose `sample(params, observation)` needs no noise."""
    return rj.Actor(
        init=init,
        draw_noise=lambda observation, key: None,
        sample_from_noise=lambda params, observation, noise: sample(
            params, observation
        ),
        draw_bc_noise=lambda observation, key: None,
        bc_loss_from_noise=lambda params, observation, action, noise: bc_loss(
            params, observation, action
        ),
    )


def keyed_agent(init, update, act, risk_measure=rj.risk.neutral):
    """An agent of a plain update `(state, batch, key, hyperparams)`."""
    return rj.Agent(
        init=init,
        draw_noise=lambda batch, key: Noise(shared=key, rows=()),
        update_from_noise=lambda state, batch, noise, hyperparams, mean: update(
            state, batch, noise.shared, hyperparams
        ),
        act=act,
        risk_measure=risk_measure,
    )
