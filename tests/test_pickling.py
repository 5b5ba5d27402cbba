"""Actors, critics, agents and risk measures that another process reads."""

import copy
import pickle

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.devices.cache import fit_cache
from ramac_jax.losses import quantile_gap
from ramac_jax.registry import HEADS, RISK_MEASURES

KEY = jax.random.key(0)
CRITICS = {
    "categorical": lambda: rj.categorical_critic(-1.0, 1.0, widths=(8,), num_atoms=5),
    "value": lambda: rj.value_critic(widths=(8,)),
    "constant": rj.constant_critic,
    "rematerialized": lambda: rj.iqn_critic(
        width=8, embedding_width=8, num_cosines=4, head=HEADS["rematerialized"].load()
    ),
}


def again(value):
    return pickle.loads(pickle.dumps(value))


def program(agent, batch):
    """The update as JAX traces it; nothing is compiled."""
    state = jax.eval_shape(agent.init, KEY, batch)
    return str(jax.make_jaxpr(agent.update)(state, batch, KEY, rj.Hyperparams()))


def test_an_agent_of_each_actor_makes_the_same_update(
    actor_name, make_agent, make_batch
):
    agent, batch = make_agent(actor_name, risk_measure=rj.risk.wang), make_batch()
    other = again(agent)
    assert other.risk_measure is rj.risk.wang
    assert program(other, batch) == program(agent, batch)


@pytest.mark.parametrize("critic", CRITICS)
def test_an_agent_of_each_critic_makes_the_same_update(critic, make_actor, make_batch):
    options = {"conservative": quantile_gap, "micro_batch": fit_cache(8)}
    actor = make_actor("gaussian")
    agent = rj.ramac_agent(actor, CRITICS[critic](), num_quantiles=4, **options)
    assert program(again(agent), make_batch()) == program(agent, make_batch())


def test_the_parts_of_an_actor_are_built_once():
    made = again(rj.flow_actor(2, 3))
    calls = {id(function.__reduce__()[1][0]) for function in made}
    assert len(calls) == 1


def test_a_copy_of_an_agent_is_the_agent(make_agent):
    agent = make_agent()
    assert copy.deepcopy(agent) == agent


def test_a_function_that_replaces_one_is_not_forgotten(make_actor):
    actor = make_actor("flow")._replace(draw_bc_noise=np.shape)
    assert again(actor).draw_bc_noise is np.shape
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        pickle.dumps(actor._replace(init=lambda *args: None))


@pytest.mark.parametrize("name", RISK_MEASURES)
def test_a_risk_measure_is_found_by_its_name(name):
    measure = RISK_MEASURES[name].load()
    assert again(measure) is measure
    own = rj.RiskMeasure(distort=np.sin)
    assert again(own) == own
