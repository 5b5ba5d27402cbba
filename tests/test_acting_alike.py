"""Agents, policies and evaluations act alike, and refuse the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.acting import AS_TRAINED, ActingOptions
from ramac_jax.evaluation import rollouts
from ramac_jax.normalization import normalize_observation, unscale_action
from ramac_jax.policy import Policy, PolicySpec
from tests.acting_case import (
    BATCH,
    KEY,
    OBSERVATION,
    UNITS,
    flow_agent,
    make_policy,
    mean_and_spread_critic,
)
from tests.helpers import noiseless_actor


@pytest.fixture(scope="module")
def flow():
    return flow_agent()


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

    def options(temperature, level, softmax_temperature):
        return ActingOptions(temperature, 2, level, softmax_temperature)

    def evaluate(*numbers):
        prepared = rollouts.prepare(policy, options(*numbers))
        rollouts.act(*prepared, observation, seeds, 0)

    @jax.jit
    def by_agent(*numbers):
        return agent.act(state, OBSERVATION, KEY, **options(*numbers)._asdict())

    @jax.jit
    def by_policy(*numbers):
        return policy(OBSERVATION, KEY, **options(*numbers)._asdict())

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
