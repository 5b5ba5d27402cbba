"""Checkpoints act and resume as before they were saved; damage is refused."""

import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax import storage
from ramac_jax.normalization import normalize_observation, unscale_action
from ramac_jax.population import checkpoints as training
from ramac_jax.population.history import EMPTY
from tests.policy.populations import (
    CRITIC,
    OBSERVATION,
    OPTIONS,
    SCALING,
    assert_same,
    population,
)


@pytest.fixture(scope="module", params=["diffusion", "flow"])
def saved(request, tmp_path_factory):
    spec, agent, states = population(request.param)
    folder = tmp_path_factory.mktemp(request.param) / "run" / "checkpoint"
    checkpoints.save_policy(folder, states, spec)
    return folder, spec, agent, states


def test_a_restored_policy_acts_bit_for_bit_as_the_agent(saved):
    folder, spec, agent, states = saved
    policy = checkpoints.load_policy(folder)
    assert policy.population == 2
    assert policy.spec.actor_options == spec.actor_options
    assert_same(policy.spec.scaling, SCALING)
    key = jax.random.key(7)
    actions = []
    for member in (0, 1):
        state = jax.tree.map(lambda x, member=member: x[member], states)
        scaled = normalize_observation(SCALING, jnp.asarray(OBSERVATION, jnp.float32))
        expected = unscale_action(SCALING, agent.act(state, scaled, key))
        actions.append(policy(OBSERVATION, key, member))
        np.testing.assert_array_equal(actions[-1], expected)
        assert (expected >= SCALING.action_low).all()
        assert (expected <= SCALING.action_high).all()
    assert not np.array_equal(*actions)  # each member has weights of its own


def test_a_restored_policy_ranks_bit_for_bit_as_the_agent(saved):
    folder, spec, agent, states = saved
    policy, key = checkpoints.load_policy(folder), jax.random.key(7)
    assert policy.spec.critic == spec.critic
    assert_same(policy.critic_params, states.critic_params)
    scaled = normalize_observation(SCALING, jnp.asarray(OBSERVATION, jnp.float32))
    for member in (0, 1):
        state = jax.tree.map(lambda x, member=member: x[member], states)
        for level in (None, 2.0):  # None: that of training
            options = {"temperature": 0.8, "num_candidates": 9, "risk_level": level}
            found = policy(OBSERVATION, key, member, **options)
            options["risk_level"] = CRITIC.risk_level if level is None else level
            expected = unscale_action(SCALING, agent.act(state, scaled, key, **options))
            np.testing.assert_array_equal(found, expected)
    first = policy(OBSERVATION, key, temperature=0.8)
    assert not np.array_equal(found, first)


def test_a_policy_jits_and_vmaps_over_its_members(saved):
    policy = checkpoints.load_policy(saved[0])
    key = jax.random.key(7)
    act = jax.jit(jax.vmap(policy, in_axes=(None, None, 0)))
    together = act(OBSERVATION, key, jnp.arange(2))
    alone = [policy(OBSERVATION, key, member) for member in (0, 1)]
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_the_whole_state_comes_back(saved):
    folder, _, _, states = saved
    restored = checkpoints.load_states(folder, jax.eval_shape(lambda: states))
    assert isinstance(restored, rj.State)
    assert_same(restored, states)
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(restored))


def test_saving_again_replaces_and_leaves_nothing_behind(flow, tmp_path):
    _, spec, states = flow
    folder = tmp_path / "checkpoint"
    checkpoints.save_policy(folder, states, spec)
    later = states._replace(step=states.step + 5)
    checkpoints.save_policy(folder, later, spec)
    assert_same(checkpoints.load_states(folder, later), later)
    assert [x.name for x in tmp_path.iterdir()] == ["checkpoint"]


def test_one_agent_is_saved_as_a_population_of_one(flow, tmp_path):
    _, spec, states = flow
    one = jax.tree.map(lambda x: x[1], states)
    checkpoints.save_policy(tmp_path / "one", one, spec)
    policy = checkpoints.load_policy(tmp_path / "one")
    assert policy.population == 1
    expected = jax.tree.map(lambda x: x[1:], states)
    assert_same(policy.params, expected.actor_params)
    assert_same(checkpoints.load_states(tmp_path / "one", expected), expected)


def test_states_and_options_that_do_not_fit_are_not_saved(flow, tmp_path):
    _, spec, states = flow
    odd = spec._replace(actor=None, actor_options={"betas": print})
    with pytest.raises(rj.InputError, match="cannot be written as JSON"):
        checkpoints.save_policy(tmp_path / "odd", states, odd)
    other = spec._replace(actor_options=OPTIONS["flow"] | {"widths": [9, 8]})
    with pytest.raises(rj.InputError, match="the states and the actor do not fit"):
        checkpoints.save_policy(tmp_path / "other", states, other)
    unknown = spec._replace(actor="flwo")
    with pytest.raises(rj.InputError, match="unknown actor 'flwo': did you mean flow"):
        checkpoints.save_policy(tmp_path / "unknown", states, unknown)
    assert not list(tmp_path.iterdir())


def test_unknown_members_and_other_widths_are_refused(flow):
    policy = checkpoints.load_policy(flow[0])
    for member in (np.int64(2), np.array(2), jnp.array(-1), True, 1.0):
        with pytest.raises(rj.InputError, match="this policy has members 0 to 1"):
            policy(OBSERVATION, jax.random.key(0), member)
    with pytest.raises(
        rj.InputError, match=r"shape \[2, 1\]: this policy reads \[..., 3\]"
    ):
        policy(OBSERVATION[:, :1], jax.random.key(0))


def test_a_policy_acts_without_orbax_and_saving_names_the_extra():
    program = """
import sys
sys.modules["orbax"] = sys.modules["minari"] = sys.modules["h5py"] = None
import jax.numpy as jnp
import ramac_jax as rj
from ramac_jax.normalization import Scaling
from ramac_jax.policy import PolicySpec
from ramac_jax.storage import write_tree
ones = jnp.ones(2)
spec = PolicySpec(scaling=Scaling(0 * ones, ones, -ones, ones))
try:
    write_tree("nowhere", {})
except rj.InputError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == (
        "ramac_jax.storage needs orbax: pip install 'ramac_jax[checkpoints]'"
    )


def test_a_population_in_training_stores_its_states_alike(flow, tmp_path):
    _, _, states = flow
    carry = training.Carry(
        states=states,
        metric_sums=rj.types.MetricSums(
            sums={"loss": jnp.ones(2)}, updates=jnp.ones(2)
        ),
        key_data=jnp.zeros((2, 2), jnp.uint32),
        hyperparams=jax.tree.map(lambda x: jnp.full(2, x), rj.Hyperparams()),
        active=jnp.ones(2, bool),
    )
    with training.open_manager(tmp_path) as manager:
        training.save(manager, 7, carry, EMPTY, "a machine")
        manager.wait_until_finished()
    acting = storage.read_tree(
        tmp_path / "7" / storage.STATE, {"actor_params": states.actor_params}
    )
    assert_same(jax.tree.map(jnp.asarray, acting["actor_params"]), states.actor_params)


def test_a_policy_acts_in_another_process_as_in_this_one(flow):
    policy = checkpoints.load_policy(flow[0])
    other = pickle.loads(pickle.dumps(policy))
    options = {"num_candidates": 2, "softmax_temperature": 0.5}
    for member in (0, 1):
        acted = (
            each(OBSERVATION, jax.random.key(5), member, **options)
            for each in (policy, other)
        )
        np.testing.assert_array_equal(*acted)
    assert_same(other.spec.scaling, SCALING)
