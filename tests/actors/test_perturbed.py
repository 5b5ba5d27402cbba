"""Perturbation of a prior: how far, and who learns from whom."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.actors import flow_actor, perturbed_actor, vae_actor

KEY, RADIUS = jax.random.key(5), 0.2


@pytest.fixture(scope="module", params=[vae_actor, flow_actor])
def case(request, make_batch):
    prior = request.param(2, widths=(8,))
    actor, batch = perturbed_actor(prior, RADIUS, widths=(8,)), make_batch(64)
    params = actor.init(KEY, batch.observation, batch.action)
    return prior, actor, params, batch


def test_an_action_stays_within_the_radius_of_its_anchor(case):
    prior, actor, params, batch = case
    noise = actor.draw_noise(batch.observation, KEY)
    louder = jax.tree.map(lambda x: 99.0 * x, params["perturbation"])
    loud = {**params, "perturbation": louder}
    anchor = prior.sample_from_noise(params["prior"], batch.observation, noise)
    moved = np.abs(actor.sample_from_noise(loud, batch.observation, noise) - anchor)
    assert np.all(moved <= RADIUS + 1e-6) and np.max(moved) > 0.99 * RADIUS


def test_without_a_perturbation_it_is_its_prior(case):
    prior, actor, params, batch = case
    silent = jax.tree.map(jnp.zeros_like, params["perturbation"])
    acted = actor.sample({**params, "perturbation": silent}, batch.observation, KEY)
    expected = prior.sample(params["prior"], batch.observation, KEY)
    np.testing.assert_array_equal(acted, expected)


def test_cloning_is_the_priors_and_reaches_the_prior_alone(case):
    prior, actor, params, batch = case
    loss, gradient = jax.value_and_grad(actor.bc_loss)(
        params, batch.observation, batch.action, KEY
    )
    alone = prior.bc_loss(params["prior"], batch.observation, batch.action, KEY)
    assert loss == alone
    assert all(np.all(x == 0.0) for x in jax.tree.leaves(gradient["perturbation"]))
    assert any(np.any(x != 0.0) for x in jax.tree.leaves(gradient["prior"]))


def test_the_value_alone_moves_the_perturbation_and_leaves_the_prior(case, make_batch):
    """Through the whole update, and cloning does the reverse."""
    _, actor, params, batch = case
    critic = rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)
    agent = rj.ramac_agent(actor, critic, num_quantiles=4)
    state = agent.init(KEY, batch)
    update = jax.jit(agent.update)
    for weights, learning in [((0.0, 1.0), "perturbation"), ((1.0, 0.0), "prior")]:
        hyperparams = rj.Hyperparams(bc_weight=weights[0], risk_weight=weights[1])
        new, _ = update(state, batch, KEY, hyperparams)
        for part in params:
            before, after = (
                jax.tree.leaves(x.actor_params[part]) for x in (state, new)
            )
            same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
            assert all(same) == (part != learning)


def test_no_value_however_steep_holds_the_prior_back(case):
    """Their gradients are clipped apart."""
    _, actor, _, batch = case
    critic = rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)
    agent = rj.ramac_agent(actor, critic, num_quantiles=4)
    state = agent.init(KEY, batch)
    update = jax.jit(agent.update)
    one, other = (
        update(state, batch, KEY, rj.Hyperparams(risk_weight=weight))[0].actor_params
        for weight in (0.0, 1e6)
    )
    for a, b in zip(*map(jax.tree.leaves, (one["prior"], other["prior"])), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("radius", [0.0, -0.1, 2.1, float("nan")])
def test_a_radius_beyond_the_box_is_refused(radius):
    with pytest.raises(rj.InputError, match="radius is .*: it must be above 0"):
        perturbed_actor(flow_actor(2), radius)
