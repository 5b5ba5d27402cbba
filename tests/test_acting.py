"""Acting: noise times a temperature, and the best of the drawn actions by a critic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.acting import (
    ActingNoise,
    ActingNumbers,
    ActingParams,
    ActingRule,
    act_from_noise,
    draw_noise,
    is_typical,
)
from ramac_jax.registry import ACTORS
from tests.acting_case import (
    KEY,
    OBSERVATION,
    closed_form,
    flow_agent,
    make_agent,
    mean_and_spread_critic,
)
from tests.helpers import noiseless_actor

LEVELS = (0.1, 1.0)


@pytest.fixture(scope="module")
def flow():
    return flow_agent()


@pytest.mark.parametrize("kind", ACTORS)
def test_temperature_is_a_factor_on_the_noise_of_every_actor(kind, make_actor):
    actor = make_actor(kind)
    params = actor.init(KEY, OBSERVATION, jnp.zeros((5, 2)))
    draw = np.random.default_rng(0)  # the first output layer of a sampler may be 0
    params = jax.tree.map(lambda x: x + 0.1 * draw.normal(size=x.shape), params)
    agent, state = make_agent(actor)
    state = state._replace(actor_params=params)
    noise = actor.draw_noise(OBSERVATION, KEY)

    def act(temperature, key=KEY):
        return agent.act(state, OBSERVATION, key, temperature=temperature)

    def from_noise(factor):
        scaled = jax.tree.map(lambda x: factor * x, noise)
        return actor.sample_from_noise(params, OBSERVATION, scaled)

    trained = actor.sample(params, OBSERVATION, KEY)
    np.testing.assert_array_equal(agent.act(state, OBSERVATION, KEY), trained)
    np.testing.assert_array_equal(act(1.0), trained)
    np.testing.assert_array_equal(act(0.5), from_noise(0.5))
    np.testing.assert_array_equal(act(0.0), from_noise(0.0))
    np.testing.assert_array_equal(act(0.0), act(0.0, jax.random.key(1)))
    assert not np.array_equal(act(1.0), act(1.0, jax.random.key(1)))


def test_a_gaussian_of_temperature_t_has_t_times_its_standard_deviation():
    actor = rj.gaussian_actor(2, widths=(4,))
    agent, state = make_agent(actor)
    zero = jax.tree.map(jnp.zeros_like, state.actor_params)  # mu = 0, sigma = 1
    state = state._replace(actor_params=zero)
    actions = agent.act(state, jnp.zeros((20_000, 3)), KEY, temperature=0.2)
    np.testing.assert_allclose(actions.std(axis=0), 0.2, rtol=0.02)


def test_the_latents_of_a_vae_stay_within_their_bound_at_every_temperature():
    actor = rj.vae_actor(2, widths=(8,), latent_bound=0.5)
    agent, state = make_agent(actor)
    hot = agent.act(state, OBSERVATION, KEY, temperature=1e6)
    signs = jnp.sign(actor.draw_noise(OBSERVATION, KEY))
    at_bound = actor.sample_from_noise(state.actor_params, OBSERVATION, 0.5 * signs)
    np.testing.assert_array_equal(hot, at_bound)


@pytest.mark.parametrize("level", LEVELS)
def test_the_best_of_the_same_draws_is_taken(flow, level):
    actor, agent, state = flow
    observation = jnp.zeros((4, 5, 3))
    drawn = actor.sample(state.actor_params, jnp.zeros((7, 4, 5, 3)), KEY)
    values = closed_form(np.asarray(drawn), level)
    best = np.argmax(np.where(is_typical(drawn), values, -np.inf), axis=0)
    expected = np.take_along_axis(np.asarray(drawn), best[None, ..., None], axis=0)[0]
    act = jax.jit(agent.act, static_argnames="num_candidates")
    for play in (agent.act, act):
        found = play(state, observation, KEY, num_candidates=7, risk_level=level)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len(np.unique(best)) > 2
    # One observation alone is asked in the same way.
    alone = agent.act(state, jnp.zeros(3), KEY, num_candidates=7, risk_level=level)
    assert alone.shape == (2,)


def test_the_level_decides_where_mean_and_tail_disagree():
    """The mean of (.8, .5) is .3, and that of (.1, 0) .1 with a better tail."""
    risky, safe = jnp.array([0.8, 0.5]), jnp.array([0.1, 0.0])
    actor = noiseless_actor(
        lambda params, observation: jnp.stack([risky, safe, risky, safe])
    )
    _, state = make_agent(noiseless_actor(lambda *_: jnp.zeros((5, 2))))
    agent = rj.ramac_agent(actor, mean_and_spread_critic(), num_quantiles=4)

    def act(level):
        return agent.act(state, jnp.zeros(3), KEY, num_candidates=4, risk_level=level)

    np.testing.assert_array_equal(act(1.0), risky)
    np.testing.assert_array_equal(act(0.1), safe)


def test_a_softmax_draws_each_candidate_by_its_value():
    """P(c) = exp(v_c / T) / sum; the critic's values have a closed form."""
    pairs = [[0.8, 0.5], [0.1, 0.0], [-0.3, -0.2], [0.0, 0.4]]
    pairs += [[0.9, -0.9], [0.2, 0.1], [-0.1, 0.1], [-0.9, 0.9]]
    actions = jnp.array(pairs)  # of these the four in the middle are typical
    actor = noiseless_actor(
        lambda params, observation: jnp.broadcast_to(
            actions[:, None], (*observation.shape[:-1], 2)
        )
    )
    _, state = make_agent(noiseless_actor(lambda *_: jnp.zeros((5, 2))))
    agent = rj.ramac_agent(actor, mean_and_spread_critic(), num_quantiles=4)
    size = 40_000

    @jax.jit
    def act(softmax_temperature):
        return agent.act(
            state,
            jnp.zeros((size, 3)),
            KEY,
            num_candidates=8,
            risk_level=0.1,
            softmax_temperature=softmax_temperature,
        )

    values = closed_form(np.asarray(actions), 0.1)
    typical = np.array([False, True, False, True, False, True, True, False])
    np.testing.assert_array_equal(is_typical(actions), typical)
    values = np.where(typical, values, -np.inf)
    for temperature in (0.1, 0.5):
        taken = (np.asarray(act(temperature))[:, None] == actions).all(axis=-1)
        expected = np.asarray(jax.nn.softmax(values / temperature))
        np.testing.assert_allclose(taken.mean(axis=0), expected, atol=0.01)
    best = np.broadcast_to(actions[np.argmax(values)], (size, 2))
    np.testing.assert_array_equal(act(0.0), best)


def test_the_choice_has_noise_of_its_own(flow):
    """The candidates are those of the best; Gumbel noise alone moves the choice."""
    actor, agent, state = flow
    rule = ActingRule(actor, mean_and_spread_critic(), rj.risk.cvar, 4, 6)
    noise = draw_noise(rule, OBSERVATION, KEY)
    each = jnp.broadcast_to(OBSERVATION, (6, 5, 3))
    np.testing.assert_array_equal(noise.sampler, actor.draw_noise(each, KEY))
    params = ActingParams(state.actor_params, state.critic_params)
    numbers = ActingNumbers(1.0, 0.1, 10.0)
    drawn = actor.sample(state.actor_params, each, KEY)
    typical = is_typical(drawn)
    for candidate in range(6):
        choice = jnp.zeros((6, 5)).at[candidate].set(100.0)
        chosen = ActingNoise(noise.sampler, choice)
        found = act_from_noise(rule, params, OBSERVATION, chosen, numbers)
        taken = np.all(found == drawn[candidate], axis=-1)
        np.testing.assert_array_equal(taken, typical[candidate])
    without = ActingNoise(noise.sampler)  # takes the best, whatever the temperature
    found = act_from_noise(rule, params, OBSERVATION, without, numbers)
    best = agent.act(state, OBSERVATION, KEY, num_candidates=6, risk_level=0.1)
    np.testing.assert_array_equal(found, best)
    found = act_from_noise(rule, params, OBSERVATION, noise, numbers)
    by_agent = agent.act(
        state,
        OBSERVATION,
        KEY,
        num_candidates=6,
        risk_level=0.1,
        softmax_temperature=10.0,
    )
    np.testing.assert_array_equal(found, by_agent)


def test_the_measure_of_the_agent_ranks(flow):
    """Wang at level 0 is the mean; the mean and CVaR_.1 choose other actions."""
    actor, _, state = flow
    wang, _ = make_agent(actor, risk_measure=rj.risk.wang)
    neutral, _ = make_agent(actor, risk_measure=rj.risk.neutral)

    def act(agent, level):
        return agent.act(state, OBSERVATION, KEY, num_candidates=9, risk_level=level)

    np.testing.assert_array_equal(act(wang, 0.0), act(neutral, 0.7))
    assert not np.array_equal(act(wang, -3.0), act(neutral, 0.7))
