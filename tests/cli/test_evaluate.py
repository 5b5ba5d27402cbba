"""The evaluate command, end to end on a checkpoint of two untrained agents."""

import csv
import json
import shutil

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

import ramac_jax as rj
from ramac_jax.cli import evaluate
from ramac_jax.cli.options.evaluate import EvaluateOptions
from ramac_jax.cli.runs import protocol as protocols

FILES = {"episodes.csv", "evaluation.json", "monitored.npz", "returns.png"}
ASKED = ["--episodes", "3", "--horizon", "30", "--seed", "50"]


def refuse(constant):
    raise AssertionError(f"{constant} is not strict JSON")


@pytest.fixture(scope="module")
def evaluated(untrained_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("scores")
    evaluate.main([str(untrained_run), "--out", str(out), *ASKED])
    return out


@pytest.fixture
def run(untrained_run, tmp_path):
    return shutil.copytree(untrained_run, tmp_path / "run")


def test_the_files_agree_with_one_another(evaluated):
    assert {x.name for x in evaluated.iterdir()} == FILES
    record = json.loads(
        (evaluated / "evaluation.json").read_text(), parse_constant=refuse
    )
    with open(evaluated / "episodes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["episode_seed"]) for row in rows] == [
        ("5", "50"),
        ("5", "51"),
        ("5", "52"),
        ("6", "53"),
        ("6", "54"),
        ("6", "55"),
    ]
    returns = np.array([float(row["return"]) for row in rows])
    for row, earned in zip(rows, returns, strict=True):
        base = float(row["base_return"])
        assert earned == pytest.approx(base + float(row["penalties"]))
        score = 100.0 * (earned + 20.272305) / (3234.3 + 20.272305)
        assert float(row["normalized_score"]) == pytest.approx(score)
        assert row["failed"] == "0"
    summary = record["summary"]
    assert summary["mean"]["value"] == pytest.approx(returns.mean())
    assert summary["num_seeds"] == 2
    assert any(note.startswith("pooled CVaR_0.1 of 6") for note in summary["notes"])
    monitored = np.load(evaluated / "monitored.npz")["monitored"]
    assert monitored.shape == (2, 3, 30)
    lengths = [int(row["length"]) for row in rows]
    np.testing.assert_array_equal(np.isfinite(monitored).sum(-1).ravel(), lengths)


def test_the_record_repeats_the_evaluation(evaluated, untrained_run):
    record = json.loads((evaluated / "evaluation.json").read_text())
    start = f"ramac evaluate {untrained_run} --out"
    assert record["command"].startswith(start)
    assert record["seeds"] == [5, 6]
    used = record["settings"]
    spec = EnvSpec.from_json(used.pop("env"))
    assert spec == gymnasium.spec("ramac_jax/hopper-medium-expert-v4")
    assert used.pop("hazard")["penalty"] == -50.0
    assert record["run"]["preset"] == "hopper-medium-expert/rafmac"
    assert used == {
        "env_id": "ramac_jax/hopper-medium-expert-v4",
        "horizon": 30,
        "episodes": 3,
        "level": 0.1,
        "seed": 50,
        "workers": 0,
        "task": "hopper-medium-expert",
        "reference": [-20.272305, 3234.3],
        "reference_horizon": 1000,
    }
    assert "ramac_jax" in record["versions"]
    assert "git_commit" in record


def test_again_into_the_run_gives_the_same_rows(run, evaluated, capsys):
    evaluate.main([str(run), *ASKED])
    for name in ("episodes.csv", "monitored.npz"):
        assert (run / name).read_bytes() == (evaluated / name).read_bytes()
    printed = capsys.readouterr().out
    assert "CVaR_0.1" in printed
    assert "note: pooled CVaR_0.1 of 6 episodes" in printed


def test_a_plain_environment_has_no_score(run):
    evaluate.main([str(run), "--env", "Hopper-v5", *ASKED])
    record = json.loads((run / "evaluation.json").read_text())
    assert record["settings"]["task"] is None
    assert record["summary"]["normalized_score"]["value"] is None
    assert record["summary"]["risky_share"]["value"] == 0.0


def test_a_run_is_scored_by_the_references_of_its_data(tmp_path):
    spec = gymnasium.spec("Reacher-v5").to_json()
    record = {"task": None, "env": spec, "reference": [-40.0, -4.0]}
    protocol = evaluate.choose_protocol(EvaluateOptions(run=tmp_path), record, tmp_path)
    assert protocol.reference == (-40.0, -4.0)
    assert protocol.reference_horizon == protocol.horizon == 50
    elsewhere = EvaluateOptions(run=tmp_path, env="Pusher-v5")
    assert evaluate.choose_protocol(elsewhere, record, tmp_path).reference is None
    of_task = EvaluateOptions(run=tmp_path, task="hopper-medium-expert")
    assert evaluate.choose_protocol(of_task, record, tmp_path).reference[1] == 3234.3


@pytest.mark.parametrize(
    ("task", "env", "horizon", "expected"),
    [
        ("hopper-medium-replay", None, None, ("hopper-medium-replay-v5", 500)),
        ("hopper-medium-replay", None, "full", ("hopper-medium-replay-v5", 1000)),
        (None, "ramac_jax/walker2d-medium-expert-v4", None, ("expert-v4", 500)),
        (None, "Hopper-v5", None, ("Hopper-v5", 1000)),
        (None, "Reacher-v5", None, ("Reacher-v5", 50)),  # its own time limit
        (None, "Reacher-v5", "full", ("Reacher-v5", 1000)),
        (None, "ramac_jax/RiskyBandit-v0", None, ("RiskyBandit-v0", 1000)),
        ("hopper-medium-expert", "Hopper-v4", "70", ("Hopper-v4", 70)),
    ],
)
def test_names_become_settings(task, env, horizon, expected):
    made = protocols.make_protocol(task, env, horizon)
    assert made.env.id.endswith(expected[0])
    assert made.horizon == expected[1]
    assert (made.reference is None) == (made.task is None)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--episodes", "0"], "--episodes must be 1 or more"),
        (["--level", "0"], "level of the CVaR is 0: give one above 0"),
        (["--seed", "-3"], "seed of the episodes is -3"),
        (["--horizon", "long"], "--horizon is long: give paper, full or steps"),
        (["--env", "Hopper-v5", "--horizon", "paper"], "--horizon paper is a task's"),
        (["--task", "hoper-medium-expert"], "did you mean hopper-medium-expert"),
        (["--env", "Hoper-v5"], "unknown environment 'Hoper-v5'"),
        (["--task", "walker2d-medium-expert"], "has observation_dim 17"),
    ],
)
def test_bad_input_is_one_line_and_touches_nothing(run, argv, message):
    (run / "episodes.csv").write_text("of another day")
    with pytest.raises(rj.InputError, match=message) as refused:
        evaluate.main([str(run), *argv])
    assert "\n" not in str(refused.value)
    assert (run / "episodes.csv").read_text() == "of another day"
    names = {x.name for x in run.iterdir()}
    assert names == {"checkpoint", "run.json", "episodes.csv"}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("{", "cannot read .*run.json"),
        ("[]", "it holds no object"),
        ('{"seeds": 3}', "run.json is damaged: seeds is 3; restore the file"),
        ('{"seeds": [null]}', r"damaged: seeds is \[None\]"),
        ('{"task": 3}', "damaged: task is 3"),
        ('{"task": "hopper-medium-expert", "selection": [1]}', "selection is"),
        ('{"diverged": 3}', "damaged: diverged is 3"),
        ('{"preset": true}', "damaged: preset is True"),
        ("{}", "names no task and no environment: give --task NAME or --env ID"),
        ('{"env": "Hopper"}', "run.json is damaged .*: give --task NAME or --env ID"),
        (
            '{"task": "hopper-medium-expert", "seeds": [1]}',
            "names 1 seeds and the checkpoint holds 2 agents",
        ),
    ],
)
def test_a_record_that_does_not_help(run, record, message):
    (run / "run.json").write_text(record)
    with pytest.raises(rj.InputError, match=message):
        evaluate.main([str(run)])


def test_no_record_and_no_run(run, tmp_path):
    (run / "run.json").unlink()
    evaluate.main([str(run), "--task", "hopper-medium-expert", *ASKED])
    assert json.loads((run / "evaluation.json").read_text())["seeds"] == [0, 1]
    with pytest.raises(rj.InputError, match="there is no folder .*nowhere"):
        evaluate.main([str(tmp_path / "nowhere")])
