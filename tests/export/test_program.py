"""A program acts bit for bit as its policy, for any number of observations."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.acting import ActingNoise, ActingOptions, draw_noise
from ramac_jax.export import onnx, parity, stablehlo
from ramac_jax.export.program import make_program
from ramac_jax.registry import ACTORS
from tests.export.policies import OBSERVATION, OPTIONS, make_policy

pytestmark = pytest.mark.slow

KEY = jax.random.key(7)


def test_every_registered_actor_is_tested():
    assert set(OPTIONS) == set(ACTORS)


@functools.cache
def ranked():
    """A policy, and the runner of its StableHLO program that ranks five actions."""
    policy = make_policy("diffusion")
    program = make_program(policy, 1, 5)
    content = stablehlo.serialize(program, ("cpu", "cuda", "tpu"))
    return policy, stablehlo.Runner(content)


def called(policy, observation, num_candidates=1, temperature=1.0, risk_level=1.0):
    """The noise that a policy draws, and the action that it takes."""
    noise = draw_noise(policy.rule(num_candidates), observation, KEY).sampler
    numbers = np.float32(temperature), np.float32(risk_level)

    @jax.jit
    def act(observation, noise, temperature, risk_level):
        fixed = policy.actor._replace(draw_noise=lambda *_: noise)
        return dataclasses.replace(policy, actor=fixed)(
            observation,
            KEY,
            1,
            temperature=temperature,
            num_candidates=num_candidates,
            risk_level=risk_level,
        )

    return noise, act(observation, noise, *numbers)


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_actor_acts_alike_as_stablehlo_and_as_onnx(kind):
    policy = make_policy(kind)
    program = make_program(policy, 1, 1)
    noise, action = called(policy, OBSERVATION, temperature=0.5)
    inputs = OBSERVATION, noise, np.float32(0.5), np.float32(1.0)
    run = stablehlo.Runner(stablehlo.serialize(program, ("cpu",)))
    np.testing.assert_array_equal(run(*inputs)[0], action)
    run = onnx.Runner(onnx.serialize(program, onnx.OPSET))
    found, score = run(*inputs)
    np.testing.assert_allclose(found, action, atol=1e-4)  # of actions up to 10
    np.testing.assert_allclose(score, policy.ood_score(OBSERVATION), rtol=1e-6)
    broken = np.where(np.eye(3) > 0, [np.nan, np.inf, -np.inf], OBSERVATION)
    assert (run(broken, *inputs[1:])[1] == np.inf).all()


@pytest.mark.parametrize("rows", [1, 3, 16])
def test_one_program_ranks_any_number_of_observations(rows):
    policy, run = ranked()
    observation = np.resize(OBSERVATION, (rows, 3))
    for level in (0.1, 1.0):
        options = {"temperature": 1.5, "risk_level": level}
        noise, action = called(policy, observation, 5, **options)
        found, score = run(observation, noise, np.float32(1.5), np.float32(level))
        np.testing.assert_array_equal(found, action)
        np.testing.assert_array_equal(score, policy.ood_score(observation))


def test_the_level_of_risk_changes_the_choice_and_the_temperature_the_noise():
    policy, run = ranked()
    observation = np.resize(OBSERVATION, (64, 3))
    noise, _ = called(policy, observation, 5)
    averse, neutral = (
        run(observation, noise, np.float32(1.0), np.float32(level))[0]
        for level in (0.01, 1.0)
    )
    assert (averse != neutral).any()
    still = [
        run(observation, drawn, np.float32(0.0), np.float32(1.0))[0]
        for drawn in (noise, noise[::-1])
    ]
    np.testing.assert_array_equal(*still)


def test_the_ports_say_what_the_arrays_are():
    program = make_program(make_policy("diffusion"), 0, 5)
    shapes = {port.name: port.shape for port in (*program.inputs, *program.outputs)}
    assert shapes == {
        "observation": ("B", 3),
        "noise": (3, 5, "B", 2),
        "temperature": (),
        "risk_level": (),
        "action": ("B", 2),
        "ood_score": ("B",),
    }
    meaning = program.inputs[3].meaning
    assert meaning.endswith("it must be above 0 and at most 1; 0.25 in training")
    assert make_program(make_policy("vae"), 0, 1).inputs[1].shape == ("B", 4)
    assert (
        make_program(make_policy("flow"), 0, 1).inputs[3].meaning.startswith("unused")
    )


def test_parity_forgives_a_tie_and_nothing_else():
    policy, run = ranked()
    own = policy.pick(1)
    program = make_program(policy, 1, 5)
    samples = parity.draw_samples(own, program, 5)
    assert sum(len(x.action) for x in samples) == parity.NUM_INPUTS
    assert parity.measure(own, samples, run) == parity.Parity(0.0, 0)

    def other(*inputs):
        action, score = run(*inputs)
        return action + np.float32(0.5), score

    found = parity.measure(own, samples, other)
    assert 0.09 < found.largest < 0.26 and not found.num_ties  # ranges of 4 and 10
    with pytest.raises(rj.InputError, match=r"policy\.onnx does not act as the policy"):
        parity.check("policy.onnx", found, parity.TOLERANCE)
    broken = parity.measure(own, samples, lambda *x: (np.nan * run(*x)[0], run(*x)[1]))
    with pytest.raises(rj.InputError, match="differs by nan"):
        parity.check("policy.onnx", broken, parity.TOLERANCE)
    swapped = [x._replace(action=x.action + 1, tied=x.action[None]) for x in samples]
    assert parity.measure(own, swapped, run) == parity.Parity(0.0, parity.NUM_INPUTS)
    with pytest.raises(rj.InputError, match=r"policy\.stablehlo does not act"):
        parity.check("policy.stablehlo", parity.Parity(0.0, 1), 0.0)


def test_what_cannot_be_exported_says_why():
    policy = make_policy("flow", critic=None)
    with pytest.raises(rj.InputError, match="5 and there are no critics to rank"):
        make_program(policy, 0, 5)
    with pytest.raises(rj.InputError, match="member is 2: this policy has members"):
        make_program(policy, 2, 1)
    own = policy.spec._replace(actor=None)
    unknown = type(policy)(own, policy.actor, policy.params)
    with pytest.raises(rj.InputError, match="of your own, the law of whose noise"):
        make_program(unknown, 0, 1)
    two = policy.actor._replace(draw_noise=lambda x, key: (x, x))
    pair = type(policy)(policy.spec, two, policy.params)
    with pytest.raises(rj.InputError, match="the flow actor is not one array"):
        make_program(pair, 0, 1)


def test_an_export_in_float64_names_the_switch():
    policy = make_policy("flow")
    with jax.enable_x64(True), pytest.raises(rj.InputError) as refused:
        make_program(policy, 0, 1)
    assert str(refused.value) == (
        "the noise of the flow actor is of float64, and exports are of float32: set "
        "JAX_ENABLE_X64=false"
    )


def test_unknown_noise_is_drawn_outside_and_acts_the_same():
    policy = make_policy("gaussian")
    noise, action = called(policy, OBSERVATION, temperature=2.0)
    options = ActingOptions(temperature=2.0)
    drawn = ActingNoise(noise)
    found = policy.act_from_noise(OBSERVATION, drawn, 1, options=options)
    np.testing.assert_allclose(found, action, rtol=1e-5)
