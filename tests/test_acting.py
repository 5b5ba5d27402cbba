"""Acting: noise times a temperature, and the best of the drawn actions by a critic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.acting import (
    AS_TRAINED,
    ActingNoise,
    ActingNumbers,
    ActingOptions,
    ActingParams,
    ActingRule,
    act_from_noise,
    draw_noise,
    is_typical,
)
from ramac_jax.evaluation import rollouts
from ramac_jax.normalization import Scaling, normalize_observation, unscale_action
from ramac_jax.policy import CriticSpec, Policy, PolicySpec
from ramac_jax.registry import ACTORS
from tests.helpers import noiseless_actor

KEY = jax.random.key(0)
OBSERVATION = jnp.linspace(-1.0, 1.0, 15).reshape(5, 3)
BATCH = rj.Transition(
    OBSERVATION, jnp.zeros((5, 2)), jnp.zeros(5), OBSERVATION, jnp.zeros(5)
)
UNITS = Scaling(jnp.ones(3), jnp.full(3, 2.0), jnp.full(2, -4.0), jnp.full(2, 4.0))
LEVELS = (0.1, 1.0)


def mean_and_spread_critic():
    """Z(s, a; tau) = a_0 - a_1 + (1 + a_0 + a_1) (tau - 1/2) + e, critics e = 1, 0."""

    def quantiles(params, observation, action, tau):
        mean = action[..., :1] - action[..., 1:]
        spread = 1.0 + action.sum(axis=-1, keepdims=True)
        return params[:, None, None] + mean + spread * (tau - 0.5)

    return rj.Critic(
        init=lambda *_: jnp.array([1.0, 0.0]),
        quantiles=quantiles,
        loss=rj.quantile_loss(quantiles),
    )


def closed_form(actions, level):
    """CVaR of the least critic: the mean of tau over (0, level) is level / 2."""
    a, b = actions[..., 0], actions[..., 1]
    return a - b + (1.0 + a + b) * (0.5 * level - 0.5)


def make_agent(actor, **options):
    agent = rj.ramac_agent(actor, mean_and_spread_critic(), num_quantiles=4, **options)
    return agent, agent.init(KEY, BATCH)


def make_policy(actor, states, **spec):
    """A policy of states [P, ...], with the critics of `make_agent`."""
    critic = CriticSpec(**{"num_quantiles": 4, "risk_level": 0.1} | spec)
    return Policy(
        spec=PolicySpec(scaling=UNITS, critic=critic),
        actor=actor,
        params=states.actor_params,
        critic=mean_and_spread_critic(),
        critic_params=states.critic_params,
    )


@pytest.fixture(scope="module")
def flow():
    actor = rj.flow_actor(2, 1, widths=(8,))
    return actor, *make_agent(actor)


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


@pytest.mark.parametrize(
    "options",
    [
        AS_TRAINED,
        ActingOptions(0.5),
        ActingOptions(0.5, 6),
        ActingOptions(1.0, 6, 0.9),
        ActingOptions(1.0, 6, 0.9, 0.3),
    ],
)
def test_agents_policies_and_evaluations_act_alike(flow, options):
    actor, agent, _ = flow
    states = jax.vmap(agent.init, in_axes=(0, None))(jax.random.split(KEY, 2), BATCH)
    policy = make_policy(actor, states)
    observation = np.random.default_rng(0).normal(size=(2, rollouts.TILE, 3))
    observation = observation.astype(np.float32)
    seeds = np.arange(2 * rollouts.TILE, dtype=np.uint32).reshape(2, -1)
    step = np.int32(7)
    found = rollouts.act(*rollouts.prepare(policy, options), observation, seeds, step)
    scaled = normalize_observation(UNITS, jnp.asarray(observation))
    asked = options._replace(risk_level=options.risk_level or 0.1)._asdict()
    for member in range(2):
        state = jax.tree.map(lambda x, member=member: x[member], states)
        for row in (0, 5):
            key = jax.random.fold_in(jax.random.key(seeds[member, row]), step)
            by_policy = policy(
                observation[member, row], key, member, **options._asdict()
            )
            by_agent = agent.act(state, scaled[member, row], key, **asked)
            by_agent = unscale_action(UNITS, by_agent)
            np.testing.assert_array_equal(by_policy, by_agent)
            np.testing.assert_allclose(by_policy, found[member, row], atol=1e-5)


def test_the_three_agree_bit_for_bit_in_one_program(flow):
    """Products of other sizes round apart; on the same rows no bit differs."""
    actor, agent, state = flow
    states = jax.tree.map(lambda x: x[None], state)
    policy, options = make_policy(actor, states), ActingOptions(0.7, 6, 0.3, 0.2)
    draw = np.random.default_rng(0)
    observation = draw.normal(size=(1, rollouts.TILE, 3)).astype(np.float32)
    seeds = np.arange(rollouts.TILE, dtype=np.uint32)[None]
    found = rollouts.act(*rollouts.prepare(policy, options), observation, seeds, 7)
    keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), 7))(seeds[0])

    def by_agent(observation, key):
        scaled = normalize_observation(UNITS, observation)
        return unscale_action(UNITS, agent.act(state, scaled, key, **options._asdict()))

    def by_policy(observation, key):
        return policy(observation, key, **options._asdict())

    for act in (by_agent, by_policy):
        together = jax.jit(jax.vmap(act))(observation[0], keys)
        np.testing.assert_array_equal(together, found[0])


def test_another_temperature_and_level_compile_nothing_again(flow):
    traces = []

    def sample(params, observation):
        traces.append(1)
        return observation[..., :2]

    actor = noiseless_actor(sample)
    _, _, state = flow
    agent = rj.ramac_agent(actor, mean_and_spread_critic(), num_quantiles=4)
    policy = make_policy(actor, jax.tree.map(lambda x: x[None], state))
    observation = np.zeros((1, rollouts.TILE, 3), np.float32)
    seeds = np.zeros((1, rollouts.TILE), np.uint32)

    def evaluate(temperature, level, softmax_temperature):
        options = ActingOptions(temperature, 2, level, softmax_temperature)
        rollouts.act(*rollouts.prepare(policy, options), observation, seeds, 0)

    by_agent = jax.jit(
        lambda temperature, level, softmax_temperature: agent.act(
            state,
            OBSERVATION,
            KEY,
            temperature=temperature,
            num_candidates=2,
            risk_level=level,
            softmax_temperature=softmax_temperature,
        )
    )
    by_policy = jax.jit(
        lambda temperature, level, softmax_temperature: policy(
            OBSERVATION,
            KEY,
            temperature=temperature,
            num_candidates=2,
            risk_level=level,
            softmax_temperature=softmax_temperature,
        )
    )
    for act in (evaluate, by_agent, by_policy):
        traces.clear()
        for numbers in ((1.0, 0.1, 0.0), (0.0, 0.5, 1.0), (2.0, 1.0, 0.3)):
            act(*numbers)
        assert len(traces) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.1}, "temperature is -0.1: it must be at least 0"),
        ({"temperature": np.nan}, "temperature is nan: it must be at least 0"),
        ({"temperature": np.inf}, "temperature is inf: it must be at least 0"),
        ({"temperature": "hot"}, "temperature is 'hot': give a number"),
        ({"risk_level": 0.0}, "risk_level is 0: it must be above 0 and at most 1"),
        ({"risk_level": 1.5}, "risk_level is 1.5: it must be above 0 and at most 1"),
        (
            {"softmax_temperature": -1.0},
            "softmax_temperature is -1: it must be at least 0",
        ),
        ({"num_candidates": 0}, "num_candidates is 0: give 1 or more"),
        ({"num_candidates": 2.5}, "num_candidates is 2.5: give an integer"),
    ],
)
def test_numbers_out_of_their_range_are_refused(flow, options, message):
    actor, agent, state = flow
    policy = make_policy(actor, jax.tree.map(lambda x: x[None], state))
    for act in (
        lambda: agent.act(state, OBSERVATION, KEY, **options),
        lambda: policy(OBSERVATION, KEY, **options),
        lambda: rollouts.prepare(policy, ActingOptions(**options)),
    ):
        with pytest.raises(rj.InputError, match=message) as refused:
            act()
        assert "\n" not in str(refused.value)


def test_candidates_need_critics_and_a_level(flow):
    actor, agent, state = flow
    with pytest.raises(rj.InputError, match=r"no level of risk .*: give risk_level"):
        agent.act(state, OBSERVATION, KEY, num_candidates=2)
    states = jax.tree.map(lambda x: x[None], state)
    unknown = make_policy(actor, states, risk_level=None)
    with pytest.raises(rj.InputError, match=r"no level of risk .*: give risk_level"):
        unknown(OBSERVATION, KEY, num_candidates=2)
    unknown(OBSERVATION, KEY, num_candidates=2, risk_level=0.5)
    cloned = Policy(PolicySpec(scaling=UNITS), actor, states.actor_params)
    with pytest.raises(rj.InputError, match="2 and there are no critics to rank"):
        cloned(OBSERVATION, KEY, num_candidates=2, risk_level=0.5)
    cloned(OBSERVATION, KEY, temperature=0.5)
