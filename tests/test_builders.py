"""Builders refuse what no network can be built of, in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ramac_jax as rj
from ramac_jax.networks.vector_field import sinusoidal_embedding
from ramac_jax.registry import ACTORS

KEY = jax.random.key(0)


@pytest.mark.parametrize("name", ACTORS)
def test_every_actor_refuses_numbers_below_one(name):
    entry = ACTORS[name]
    refused = {"action_dim": 0}
    for option, default in entry.options.items():
        if option in ("num_steps", "time_width"):
            refused[option] = 0
        elif isinstance(default, tuple):
            refused[option] = (8, 0)
    for option, value in refused.items():
        with pytest.raises(rj.InputError, match=r" is .*0.*: give 1 or more"):
            entry.load()(**({"action_dim": 2} | {option: value}))


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (rj.iqn_critic, ("num_critics", "width", "embedding_width", "num_cosines")),
        (rj.value_critic, ("num_critics",)),
    ],
)
def test_critics_refuse_numbers_below_one(build, options):
    for option in options:
        with pytest.raises(rj.InputError, match=f"{option} is 0: give 1 or more"):
            build(**{option: 0})


def test_a_critic_refuses_a_layer_without_units():
    with pytest.raises(rj.InputError, match=r"widths is \(8, 0\): give 1 or more"):
        rj.value_critic(widths=(8, 0))


@pytest.mark.parametrize(
    "option",
    ["num_quantiles", "num_risk_quantiles", "num_candidates", "num_penalty_quantiles"],
)
def test_an_agent_refuses_numbers_below_one(option, make_actor):
    with pytest.raises(rj.InputError, match=f"{option} is 0: give 1 or more"):
        rj.ramac_agent(make_actor("flow"), rj.constant_critic(), **{option: 0})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda actor: rj.flow_actor("a"), "action_dim is 'a': give an integer"),
        (lambda actor: rj.flow_actor((2, 2)), r"action_dim is \(2, 2\): give an int"),
        (lambda actor: rj.flow_actor(2.0), "action_dim is 2.0: give an integer"),
        (
            lambda actor: rj.gaussian_actor(np.ones((40, 1))),
            r"action_dim is array\(.*\.\.\.: give an integer",
        ),
        (lambda actor: rj.value_critic(widths=5), "widths is 5: give a sequence of"),
        (
            lambda actor: rj.value_critic(widths=(8, 2.5)),
            r"widths is \(8, 2.5\): give integers alone",
        ),
        (lambda actor: rj.value_critic(widths="ab"), "widths is 'ab': give integers"),
        (
            lambda actor: rj.ramac_agent(actor, rj.iqn_critic(), num_quantiles=2.5),
            "num_quantiles is 2.5: give an integer",
        ),
        (
            lambda actor: rj.make_train(
                rj.ramac_agent(actor, rj.iqn_critic()), num_steps=1.5
            ),
            "num_steps is 1.5: give an integer",
        ),
    ],
)
def test_what_is_no_count_is_refused(build, message, make_actor):
    with pytest.raises(rj.InputError, match=message) as error:
        build(make_actor("flow"))
    assert "\n" not in str(error.value)


def test_a_count_may_be_an_integer_of_an_array_library():
    assert rj.flow_actor(np.int64(2), num_steps=jnp.int32(3), widths=[np.int32(8)])


@pytest.mark.parametrize("name", ["gaussian", "flow", "vae", "perturbed-flow"])
def test_an_actor_of_other_actions_than_the_datas_is_refused(
    name, make_agent, make_batch
):
    agent = make_agent(name, action_dim=3)
    with pytest.raises(rj.InputError, match=r"\[8, 2\] and .* with action_dim=2") as e:
        agent.init(KEY, make_batch())
    assert "\n" not in str(e.value)


def test_a_time_embedding_has_a_frequency_at_any_width():
    times = jnp.ones((4, 1))
    widths = [sinusoidal_embedding(times, width).shape[-1] for width in (1, 2, 3, 4)]
    assert widths == [2, 2, 2, 4]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            {"actor": rj.iqn_critic()},
            r"actor is of type Critic \(.*\): give one of type Actor",
        ),
        (
            {"critic": rj.flow_actor(2)},
            "critic is of type Actor .*: give one of type Critic",
        ),
        ({"optimizer": optax.sgd}, "give one of type GradientTransformation"),
        ({"optimizer": "adam"}, r"optimizer is of type str \('adam'\)"),
        (
            {"risk_measure": "cvar"},
            r"risk_measure is of type str \('cvar'\): give a fun",
        ),
        ({"conservative": "values"}, "conservative is of type str .*: give a function"),
        ({"micro_batch": 4}, r"micro_batch is of type int \(4\): give a function"),
        ({"actor": np.zeros((30, 2))}, r"actor is of type ndarray \(array.*\.\.\.\)"),
    ],
)
def test_a_part_of_another_kind_is_refused(part, message):
    parts = {"actor": rj.flow_actor(2), "critic": rj.iqn_critic()}
    with pytest.raises(rj.InputError, match=message) as error:
        rj.ramac_agent(**(parts | part))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("build", "name"),
    [(rj.perturbed_actor, "prior"), (lambda x: rj.distilled_actor(x, 2), "teacher")],
)
def test_an_actor_of_another_refuses_what_is_no_actor(build, name):
    with pytest.raises(rj.InputError, match=f"{name} is of type str .* type Actor"):
        build("flow")
