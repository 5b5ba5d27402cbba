"""Damage to a checkpoint is noticed and named; nothing else is called damage."""

import json
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint
import pytest

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax import policy_record
from tests.policy.populations import (
    OBSERVATION,
    assert_same,
)


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


def test_a_folder_of_anything_else_is_kept(flow, tmp_path):
    _, spec, states = flow
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("years of work")
    with pytest.raises(rj.InputError, match="exists and is no checkpoint"):
        checkpoints.save_policy(tmp_path / "thesis", states, spec)
    assert (tmp_path / "thesis" / "chapter").read_text() == "years of work"
    assert [x.name for x in tmp_path.iterdir()] == ["thesis"]


def test_a_folder_without_a_checkpoint_is_refused(flow, tmp_path):
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


@pytest.mark.slow
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
        for _ in range(8):
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
    assert len(messages) >= 2 * 8 * (len(files) - 1)  # spaces of policy.json are idle
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


def test_a_checkpoint_of_another_precision_names_the_switch(flow):
    message = r"where float64\[.*\] is expected; set JAX_ENABLE_X64=false, as"
    with jax.enable_x64(True), pytest.raises(rj.InputError, match=message):
        checkpoints.load_policy(flow[0])


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(flow, monkeypatch):
    def forbid(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(policy_record.Path, "read_bytes", forbid)
    with pytest.raises(rj.InputError, match="^cannot read checkpoint .*: Permission"):
        checkpoints.load_policy(flow[0])
