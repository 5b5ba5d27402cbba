"""Checkpoints: what was saved acts and trains as before; what is torn is refused."""

import json
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.normalization import Scaling, normalize_observation, unscale_action

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
    spec = checkpoints.PolicySpec(kind, OPTIONS[kind], SCALING)
    critic = rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)
    agent = rj.ramac(checkpoints.build_actor(spec), critic, num_quantiles=4)
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
    checkpoints.save(folder, states, spec)
    return folder, spec, agent, states


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    spec, _, states = population("flow")
    folder = tmp_path_factory.mktemp("flow") / "checkpoint"
    checkpoints.save(folder, states, spec)
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
    restored = checkpoints.restore(folder, jax.eval_shape(lambda: states))
    assert isinstance(restored, rj.State)
    assert_same(restored, states)
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(restored))


def test_saving_again_replaces_and_leaves_nothing_behind(flow, tmp_path):
    _, spec, states = flow
    folder = tmp_path / "checkpoint"
    checkpoints.save(folder, states, spec)
    later = states._replace(step=states.step + 5)
    checkpoints.save(folder, later, spec)
    assert_same(checkpoints.restore(folder, later), later)
    assert [x.name for x in tmp_path.iterdir()] == ["checkpoint"]


def test_a_save_that_fails_keeps_the_earlier_checkpoint(flow, tmp_path, monkeypatch):
    _, spec, states = flow
    folder = tmp_path / "checkpoint"
    checkpoints.save(folder, states, spec)

    def full_disk(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(checkpoints.ocp.Checkpointer, "save", full_disk)
    with pytest.raises(OSError, match="no space left"):
        checkpoints.save(folder, states._replace(step=states.step + 5), spec)
    monkeypatch.undo()
    assert_same(checkpoints.restore(folder, states), states)
    assert [x.name for x in tmp_path.iterdir()] == ["checkpoint"]


def test_what_save_refuses(flow, tmp_path):
    _, spec, states = flow
    with pytest.raises(rj.InputError, match="save takes a population"):
        checkpoints.save(tmp_path / "one", jax.tree.map(lambda x: x[0], states), spec)
    odd = spec._replace(actor_options={"betas": print})
    with pytest.raises(rj.InputError, match="cannot be written as JSON"):
        checkpoints.save(tmp_path / "odd", states, odd)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("years of work")
    with pytest.raises(rj.InputError, match="is there and no checkpoint"):
        checkpoints.save(tmp_path / "thesis", states, spec)
    assert (tmp_path / "thesis" / "chapter").read_text() == "years of work"
    assert [x.name for x in tmp_path.iterdir()] == ["thesis"]


def test_a_folder_that_is_no_checkpoint(flow, tmp_path):
    for read in (checkpoints.load_policy, lambda x: checkpoints.restore(x, flow[2])):
        with pytest.raises(rj.InputError, match=r"there is no folder .*/nowhere"):
            read(tmp_path / "nowhere")
        with pytest.raises(
            rj.InputError, match=r"is no checkpoint: it lacks policy\.json"
        ):
            read(tmp_path)


@pytest.mark.parametrize("victim", ["policy.json", "state/_METADATA", "state/d/*"])
def test_a_damaged_checkpoint(flow, tmp_path, victim):
    folder = shutil.copytree(flow[0], tmp_path / "copy")
    for path in folder.glob(victim):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        rj.InputError, match="is damaged, of another shape or"
    ) as refused:
        checkpoints.load_policy(folder)
    assert "\n" not in str(refused.value)


def test_weights_that_do_not_fit_the_actor(flow, tmp_path):
    folder = shutil.copytree(flow[0], tmp_path / "copy")
    fields = json.loads((folder / "policy.json").read_text())
    fields["actor_options"]["widths"] = [8, 9]
    (folder / "policy.json").write_text(json.dumps(fields))
    with pytest.raises(
        rj.InputError, match=r"has shape \[246\] there and \[257\] here"
    ):
        checkpoints.load_policy(folder)
    three = jax.tree.map(lambda x: jnp.concatenate([x, x[:1]]), flow[2])
    with pytest.raises(rj.InputError, match=r"has shape \[2.* there and \[3.* here"):
        checkpoints.restore(flow[0], three)


def test_what_a_policy_refuses(flow):
    policy = checkpoints.load_policy(flow[0])
    with pytest.raises(rj.InputError, match="member is 2: this checkpoint has 0 to 1"):
        policy(OBSERVATION, jax.random.key(0), 2)
    with pytest.raises(
        rj.InputError, match=r"shape \[2, 1\]: this policy reads \[..., 3\]"
    ):
        policy(OBSERVATION[:, :1], jax.random.key(0))


def test_the_library_alone_imports_no_checkpoints():
    code = "import sys, ramac_jax; print({'orbax', 'minari', 'h5py'} & {*sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"
