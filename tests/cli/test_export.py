"""The export command, end to end on a checkpoint of two untrained agents."""

import csv
import json
import shutil

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.cli import evaluate, export, main
from ramac_jax.guard import Guard
from ramac_jax.normalization import Scaling
from tests.export.policies import make_policy

pytestmark = pytest.mark.slow

SCALING = Scaling(jnp.zeros(11), jnp.ones(11), -jnp.ones(3), jnp.ones(3))
GUARD = Guard(jnp.zeros(11), jnp.ones(11), jnp.float32(5.0))
ASKED = ["--episodes", "3", "--horizon", "20", "--seed", "50"]


def write_run(folder, **changes):
    """A run of two untrained agents, as a finished training leaves it."""
    policy = make_policy("flow", guard=GUARD, scaling=SCALING)
    agent = rj.ramac_agent(policy.actor, policy.critic, num_quantiles=8)
    batch = rj.Transition(
        np.ones((4, 11)), np.ones((4, 3)), np.ones(4), np.ones((4, 11)), np.zeros(4)
    )
    init = jax.vmap(agent.init, in_axes=(0, None))
    states = init(jax.random.split(jax.random.key(0), 2), batch)._replace(
        actor_params=policy.params, critic_params=policy.critic_params
    )
    checkpoints.save_policy(folder / "checkpoint", states, policy.spec)
    record = {
        "task": "hopper-medium-expert",
        "preset": "rafmac",
        "env": gymnasium.spec("ramac_jax/hopper-medium-expert-v4").to_json(),
        "seeds": [5, 6],
        "status": "finished",
        "datasets": [{"id": "hopper/made-v0", "sha256": "d0"}],
        "options": {"nothing": "to repeat"},
    }
    (folder / "run.json").write_text(json.dumps(record | changes))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    evaluate.main([str(folder), *ASKED])
    return folder


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("exports") / "policy"
    words = ["--member", "1", "--format", "stablehlo", "--card"]
    export.main([str(trained), "--out", str(out), *words])
    return out


def test_the_export_repeats_figures_hashes_and_origin(exported, trained):
    record = json.loads((exported / "policy.json").read_text())
    assert record["run"]["seeds"] == [6]
    assert record["run"]["preset"] == "rafmac" and "options" not in record["run"]
    assert record["hashes"]["datasets"] == {"hopper/made-v0": "d0"}
    assert len(record["hashes"]["checkpoint"]) == 64
    rows = [float(x["return"]) for x in read_rows(trained) if x["seed"] == "6"]
    assert record["evaluation"]["figures"]["mean"]["value"] == pytest.approx(
        np.mean(rows)
    )
    assert record["evaluation"]["settings"]["episodes"] == 3
    assert "model-index" in (exported / "README.md").read_text()


def read_rows(folder):
    with open(folder / "episodes.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_an_export_earns_the_returns_of_its_agent(exported, trained, tmp_path):
    # Member 1 played the episodes from 50 + 3 on.
    words = ["--episodes", "3", "--horizon", "20", "--seed", "53"]
    evaluate.main([str(exported), "--out", str(tmp_path), *words])
    found, expected = (
        np.array([float(row["return"]) for row in read_rows(folder)])
        for folder in (tmp_path, trained)
    )
    np.testing.assert_allclose(found, expected[3:], rtol=1e-3)
    record = json.loads((tmp_path / "evaluation.json").read_text())
    assert record["run"]["preset"] == "rafmac" and record["calibration"] is None


def test_an_export_that_ranks_is_evaluated_at_several_levels(trained, tmp_path, capsys):
    out = tmp_path / "policy"
    words = ["--num-candidates", "3", "--format", "stablehlo"]
    export.main([str(trained), "--out", str(out), *words])
    assert "policy.stablehlo: largest difference 0 on 1000" in capsys.readouterr().out
    evaluate.main([str(out), *ASKED, "--risk-levels", "0.1", "1"])
    frontier = json.loads((out / "evaluation.json").read_text())["frontier"]
    assert [x["risk_level"] for x in frontier] == [0.1, 1.0]
    with pytest.raises(rj.InputError, match="num_candidates is 4, and this policy was"):
        evaluate.main([str(out), *ASKED, "--num-candidates", "4"])


def command(*words):
    """Run the program; its exit status."""
    with pytest.raises(SystemExit) as ended:
        main.main(["export", *map(str, words)])
    return ended.value.code


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--member", "2"], "member is 2: this policy has members 0 to 1"),
        (["--platforms", "abacus"], "platform 'abacus' is unknown: give one or more"),
        (["--opset", "5"], "opset is 5: give 21 to 23"),
        (["--num-candidates", "0"], "num_candidates is 0"),
        (["--format", "torch"], "--format"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(
    trained, tmp_path, capsys, words, line
):
    assert command(trained, "--out", tmp_path / "out", *words) == 2
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.startswith("error: ") and line in printed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"status": "running"}, "run that is not finished (status running): resume it"),
        (
            {"status": "diverged", "diverged": [{"seed": 5, "step": 70}]},
            "--member 0 has seed 5, which diverged at step 70: give another member",
        ),
        ({"seeds": 3}, "run.json is damaged: seeds is 3; restore the file"),
        ({"diverged": 3}, "run.json is damaged: diverged is 3"),
        ({"diverged": [{"seed": 5}]}, "is damaged: diverged is [{'seed': 5}]"),
        ({"status": None}, "is damaged: status is None"),
        ({"seeds": [1]}, "names 1 seeds and the checkpoint holds 2 agents: they are"),
        ({"datasets": 7}, "is damaged: datasets is 7"),
        ({"datasets": [{"id": "a"}]}, "is damaged: datasets is [{'id': 'a'}]"),
    ],
)
def test_a_run_that_is_no_whole_run_is_refused(
    trained, tmp_path, capsys, changes, line
):
    run = shutil.copytree(trained, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | changes))
    assert command(run, "--out", tmp_path / "out") == 2
    (printed,) = capsys.readouterr().err.splitlines()
    assert line in printed
    assert not (tmp_path / "out").exists()


def test_damage_and_occupied_folders_are_refused(trained, tmp_path, capsys):
    run, out = shutil.copytree(trained, tmp_path / "run"), tmp_path / "out"
    assert command(tmp_path, "--out", out) == 2
    assert command(run, "--out", run) == 2
    (run / "evaluation.json").write_text("{")
    assert command(run, "--out", out) == 2
    for path in (run / "checkpoint" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1])
    assert command(run, "--out", out) == 2
    lines = capsys.readouterr().err.splitlines()
    messages = ("there is no folder", "exists and is no export", "no whole evaluation")
    for printed, message in zip(lines, (*messages, "is damaged"), strict=True):
        assert message in printed
    assert not out.exists()


def test_a_policy_without_critics_ranks_nothing(tmp_path, capsys):
    policy = make_policy("vae", critic=None, scaling=SCALING, guard=None)
    checkpoints.save_acting(tmp_path / "run" / "checkpoint", policy)
    words = [tmp_path / "run", "--out", tmp_path / "out", "--format", "stablehlo"]
    assert command(*words, "--num-candidates", "8") == 2
    assert "8 and there are no critics to rank" in capsys.readouterr().err
    export.main([str(x) for x in words])
    printed = capsys.readouterr().out
    assert "note: the run recorded no scale of its observations" in printed
    record = json.loads((tmp_path / "out" / "policy.json").read_text())
    assert record["evaluation"] is None and record["run"] == {"seeds": [0]}


def test_a_missing_extra_is_named(trained, tmp_path, capsys, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "jax2onnx" else find(name),
    )
    assert command(trained, "--out", tmp_path / "out") == 2
    line = "ramac_jax.export needs jax2onnx: pip install 'ramac_jax[export]'"
    assert line in capsys.readouterr().err


FULL = "RESOURCE_EXHAUSTED: x: No space left on device [os_error_code=28 ENOSPC]"


@pytest.mark.parametrize(
    ("function", "error", "reason"),
    [
        ("write_json", OSError(28, "No space left on device"), "No space left on "),
        ("save_acting", ValueError(FULL), "No space left on device"),
    ],
)
def test_a_full_disk_is_one_line_and_an_earlier_export_stays(
    trained, exported, tmp_path, capsys, monkeypatch, function, error, reason
):
    def fail(*args):
        raise error

    out = shutil.copytree(exported, tmp_path / "policy")
    before = {x.name: x.stat().st_mtime_ns for x in out.iterdir()}
    monkeypatch.setattr(f"ramac_jax.export.folder.{function}", fail)
    words = [trained, "--out", out, "--format", "stablehlo", "--card"]
    assert command(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: cannot write {out} ({reason}")
    assert line.endswith("): make room, or give another folder")
    assert {x.name: x.stat().st_mtime_ns for x in out.iterdir()} == before
    assert [x.name for x in tmp_path.iterdir()] == ["policy"]


def test_an_export_on_the_hub_is_evaluated_by_its_name(exported, tmp_path, monkeypatch):
    asked = []

    def snapshot_download(repo_id, revision):
        asked.append((repo_id, revision))
        return str(exported)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(rj.InputError, match="hf://a/b is on the hub: give --out"):
        evaluate.main(["hf://a/b", *ASKED])
    assert not asked
    words = ["hf://a/b@v1", *ASKED]
    evaluate.main([*words, "--out", str(tmp_path / "hub")])
    assert asked == [("a/b", "v1")]
    evaluate.main([str(exported), *ASKED, "--out", str(tmp_path / "local")])
    here, there = (tmp_path / x / "episodes.csv" for x in ("local", "hub"))
    assert here.read_bytes() == there.read_bytes()


def test_no_flipped_bit_of_a_checkpoint_is_evaluated_or_exported(
    trained, tmp_path, capsys
):
    run, out = shutil.copytree(trained, tmp_path / "run"), tmp_path / "out"
    files = [x for x in (run / "checkpoint/state").rglob("d/*") if x.is_file()]
    draw = np.random.default_rng(0)
    for path in sorted(files, key=lambda x: -x.stat().st_size)[:3]:
        content = bytearray(path.read_bytes())
        content[draw.integers(len(content))] ^= 1 << draw.integers(8)
        path.write_bytes(content)
        for command in ("evaluate", "export"):
            with pytest.raises(SystemExit) as ended:
                main.main([command, str(run), "--out", str(out)])
            name = path.relative_to(run / "checkpoint")
            assert ended.value.code == 2
            assert capsys.readouterr().err == (
                f"error: checkpoint {run / 'checkpoint'} is damaged: its file {name} "
                "has changed\n"
            )
            assert not out.exists()
        shutil.copy(trained / path.relative_to(run), path)
