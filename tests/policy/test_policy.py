"""Checkpoints act and resume as before they were saved; damage is refused."""

import json
import re
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint
import pytest

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax import storage
from ramac_jax.actors.perturbed import perturbed_actor
from ramac_jax.normalization import Scaling, normalize_observation, unscale_action
from ramac_jax.population import checkpoints as training
from ramac_jax.population.history import EMPTY

OPTIONS = {
    "diffusion": {"num_steps": 3, "widths": [8], "time_width": 4},
    "flow": {"num_steps": 2, "widths": [8, 8], "time_width": 4},
}
SCALING = Scaling(
    observation_mean=jnp.array([1.0, 2.0, 3.0]),
    observation_std=jnp.array([0.1, 1.0, 10.0]),
    action_low=jnp.array([-2.0, 0.0]),
    action_high=jnp.array([2.0, 10.0]),
)
OBSERVATION = np.array([[1.1, 2.0, -7.0], [0.0, 0.1, 0.2]])


def population(kind):
    """Two agents with random numbers in every leaf: no two alike, no zero optimiser."""
    spec = checkpoints.PolicySpec(
        scaling=SCALING, actor=kind, actor_options=OPTIONS[kind]
    )
    critic = rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)
    agent = rj.ramac_agent(checkpoints.build_actor(spec), critic, num_quantiles=4)
    batch = rj.Transition(
        np.ones((4, 3)), np.ones((4, 2)), np.ones(4), np.ones((4, 3)), np.zeros(4)
    )
    draw = np.random.default_rng(0)

    def fill(leaf):
        return jnp.asarray(draw.normal(size=(2, *leaf.shape)) * 0.3, leaf.dtype)

    shapes = jax.eval_shape(agent.init, jax.random.key(0), batch)
    return spec, agent, jax.tree.map(fill, shapes)


@pytest.fixture(scope="module", params=["diffusion", "flow"])
def saved(request, tmp_path_factory):
    spec, agent, states = population(request.param)
    folder = tmp_path_factory.mktemp(request.param) / "run" / "checkpoint"
    checkpoints.save_policy(folder, states, spec)
    return folder, spec, agent, states


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    spec, _, states = population("flow")
    folder = tmp_path_factory.mktemp("flow") / "checkpoint"
    checkpoints.save_policy(folder, states, spec)
    return folder, spec, states


def assert_same(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


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


def test_a_save_that_fails_keeps_the_earlier_checkpoint(flow, tmp_path, monkeypatch):
    _, spec, states = flow
    folder = tmp_path / "checkpoint"
    checkpoints.save_policy(folder, states, spec)

    def full_disk(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(orbax.checkpoint.Checkpointer, "save", full_disk)
    with pytest.raises(OSError, match="no space left"):
        checkpoints.save_policy(folder, states._replace(step=states.step + 5), spec)
    monkeypatch.undo()
    assert_same(checkpoints.load_states(folder, states), states)
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


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A checkpoint of an actor that has no registered name."""
    actor = own_actor()
    shapes = jax.eval_shape(actor.init, jax.random.key(0), jnp.ones(3), jnp.ones(2))
    draw = np.random.default_rng(1)
    params = jax.tree.map(
        lambda x: jnp.asarray(draw.normal(size=(2, *x.shape)), x.dtype), shapes
    )
    states = rj.State(
        actor_params=params,
        target_actor_params=params,
        critic_params={},
        target_critic_params={},
        actor_opt_state={},
        critic_opt_state={},
        step=jnp.zeros(2, jnp.int32),
    )
    folder = tmp_path_factory.mktemp("own") / "checkpoint"
    checkpoints.save_policy(folder, states, checkpoints.PolicySpec(scaling=SCALING))
    return folder, params


def own_actor(width=8):
    return perturbed_actor(rj.flow_actor(2, 2, widths=(8,)), widths=(width,))


def test_an_actor_of_ones_own_is_saved_and_loaded(own):
    folder, params = own
    actor, key = own_actor(), jax.random.key(3)
    policy = checkpoints.load_policy(folder, actor=actor)
    assert policy.spec.actor is None
    assert_same(policy.params, params)
    scaled = normalize_observation(SCALING, jnp.asarray(OBSERVATION, jnp.float32))
    second = jax.tree.map(lambda x: x[1], params)
    expected = unscale_action(SCALING, actor.sample(second, scaled, key))
    np.testing.assert_array_equal(policy(OBSERVATION, key, 1), expected)


def test_an_actor_of_ones_own_must_be_given(own):
    with pytest.raises(
        rj.InputError, match=r"give load_policy\(folder, actor=\.\.\.\)"
    ):
        checkpoints.load_policy(own[0])


def broken_actor():
    def init(key, observation, action):
        raise KeyError("no such layer")

    return own_actor()._replace(init=init)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: own_actor(width=9),
            r"actor_params/perturbation/Dense_0/bias is float32\[2, 8\] where "
            r"float32\[2, 9\] is expected",
        ),
        (lambda: rj.flow_actor(2, 2, widths=(8,)), r"is nothing where float32\[2, "),
        (lambda: own_actor()._replace(init=lambda *_: {}), "where nothing is expected"),
        (broken_actor, "'no such layer'"),
    ],
)
def test_an_actor_of_other_shapes_is_refused(own, make, message):
    with pytest.raises(rj.InputError, match=message) as refused:
        checkpoints.load_policy(own[0], actor=make())
    assert str(refused.value).startswith(
        f"checkpoint {own[0]} and the actor do not fit: "
    )
    assert "\n" not in str(refused.value)


def test_an_actor_given_acts_in_place_of_a_registered_one(flow):
    actor = rj.flow_actor(2, **OPTIONS["flow"])
    assert checkpoints.load_policy(flow[0], actor=actor).actor is actor


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


def test_a_folder_of_anything_else_is_kept(flow, tmp_path):
    _, spec, states = flow
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("years of work")
    with pytest.raises(rj.InputError, match="exists and is no checkpoint"):
        checkpoints.save_policy(tmp_path / "thesis", states, spec)
    assert (tmp_path / "thesis" / "chapter").read_text() == "years of work"
    assert [x.name for x in tmp_path.iterdir()] == ["thesis"]


def test_a_folder_that_is_no_checkpoint(flow, tmp_path):
    for read in (
        checkpoints.load_policy,
        lambda x: checkpoints.load_states(x, flow[2]),
    ):
        with pytest.raises(rj.InputError, match=r"there is no folder .*/nowhere"):
            read(tmp_path / "nowhere")
        with pytest.raises(
            rj.InputError, match=r"is no checkpoint: it lacks policy\.json"
        ):
            read(tmp_path)


@pytest.mark.parametrize("victim", ["policy.json", "state/_METADATA", "state/d/*"])
def test_a_truncated_checkpoint_is_damaged(flow, tmp_path, victim):
    folder = shutil.copytree(flow[0], tmp_path / "copy")
    for path in folder.glob(victim):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(rj.InputError, match="is damaged: ") as refused:
        checkpoints.load_policy(folder)
    assert "\n" not in str(refused.value)


def test_no_flipped_bit_changes_a_number(flow, tmp_path):
    folder = shutil.copytree(flow[0], tmp_path / "copy")
    key, states = jax.random.key(0), flow[2]
    policy = checkpoints.load_policy(folder)
    action = policy(OBSERVATION, key)
    files = sorted(x for x in folder.rglob("*") if x.is_file())
    draw, messages = np.random.default_rng(0), []
    assert len(files) > 6
    for path in files:
        content = path.read_bytes()
        for _ in range(25):
            bits = np.frombuffer(content, np.uint8).copy()
            bits[draw.integers(bits.size)] ^= 1 << draw.integers(8)
            path.write_bytes(bits.tobytes())
            for read in (
                lambda: checkpoints.load_policy(folder),
                lambda: checkpoints.load_states(folder, states),
            ):
                try:
                    found = read()
                except rj.InputError as error:
                    messages.append(str(error))
                    continue
                if isinstance(found, rj.State):
                    assert_same(found, states)
                else:
                    assert_same(found.params, policy.params)
                    np.testing.assert_array_equal(found(OBSERVATION, key), action)
        path.write_bytes(content)
    assert len(messages) >= 2 * 25 * (len(files) - 1)  # spaces of policy.json are idle
    for message in messages:
        assert re.fullmatch(rf"checkpoint {folder} is damaged: .+", message)


def test_a_file_that_is_missing_is_named(flow, tmp_path):
    folder = shutil.copytree(flow[0], tmp_path / "copy")
    next((folder / "state" / "d").iterdir()).unlink()
    with pytest.raises(rj.InputError, match=r"its file state/d/\w+ is missing"):
        checkpoints.load_policy(folder)


def test_a_checkpoint_of_another_version_is_not_called_damaged(flow, tmp_path):
    folder = shutil.copytree(flow[0], tmp_path / "copy")
    fields = json.loads((folder / "policy.json").read_text())
    older = {k: fields[k] for k in ("actor", "actor_options", "scaling")}
    (folder / "policy.json").write_text(json.dumps(older))
    with pytest.raises(rj.InputError, match="has format 1, and this version of"):
        checkpoints.load_policy(folder)


def test_states_of_other_shapes_are_named(flow):
    three = jax.tree.map(lambda x: jnp.concatenate([x, x[:1]]), flow[2])
    with pytest.raises(
        rj.InputError, match=r"is float32\[2, .* where float32\[3, .* is expected"
    ):
        checkpoints.load_states(flow[0], three)
    fewer = flow[2]._replace(critic_opt_state={})
    with pytest.raises(rj.InputError, match="critic_opt_state/.* nothing is expected"):
        checkpoints.load_states(flow[0], fewer)


def test_what_a_policy_refuses(flow):
    policy = checkpoints.load_policy(flow[0])
    with pytest.raises(
        rj.InputError, match="member is 2: this policy has members 0 to 1"
    ):
        policy(OBSERVATION, jax.random.key(0), 2)
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
    )
    with training.open_manager(tmp_path) as manager:
        training.save(manager, 7, carry, EMPTY, "a machine")
        manager.wait_until_finished()
    acting = storage.read_tree(
        tmp_path / "7" / storage.STATE, {"actor_params": states.actor_params}
    )
    assert_same(jax.tree.map(jnp.asarray, acting["actor_params"]), states.actor_params)
