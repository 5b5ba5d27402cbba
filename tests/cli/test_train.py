"""The train command, end to end on a dataset whose action is always the same."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import jax
import jax.numpy as jnp
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from ramac_jax import policy as checkpoints
from ramac_jax.cli import process, train
from ramac_jax.cli.runs import training
from ramac_jax.cli.runs.csv_tables import CsvTable
from ramac_jax.normalization import normalize_observation, scale_action

DATASET = "made/constant-v0"
ACTION = np.array([1.0, 4.0], np.float32)  # of [-2, 2] and [0, 8]: .5 and 0 scaled
METRICS = "actor_loss bc_loss critic_loss risk_value target_clipped target_mean".split()

TINY = (
    "--num-seeds 2 --seed 5 --num-steps 90 --log-every 30 --batch-size 64 --normalize "
    "--actor-widths 16 16 --critic-width 8 --embedding-width 8 --num-cosines 4 "
    "--num-quantiles 4 --num-critics 1 --actor-learning-rate 0.01 --risk-weight 0 "
    "--value-min -inf --max-grad-norm inf"
).split()

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari")


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Make the dataset, and let XLA compile quickly rather than well."""
    folder = tmp_path_factory.mktemp("datasets")
    draw = np.random.default_rng(0)
    episodes = [
        EpisodeBuffer(
            observations=draw.normal(5.0, 2.0, size=(101, 3)),
            actions=np.tile(ACTION, (100, 1)),
            rewards=np.ones(100),
            terminations=np.zeros(100, bool),
            truncations=np.arange(100) == 99,
        )
        for _ in range(2)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        minari.create_dataset_from_buffers(
            DATASET,
            episodes,
            observation_space=gym.spaces.Box(-np.inf, np.inf, (3,)),
            action_space=gym.spaces.Box(np.float32([-2, 0]), np.float32([2, 8])),
        )
        yield folder


@pytest.fixture(scope="module")
def out(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "flow"
    train.main(["--dataset", DATASET, "--actor", "flow", "--out", str(out), *TINY])
    return out


def rows(out):
    with open(out / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_have_a_row_per_step_and_seed_and_cloning_succeeds(out):
    table = rows(out)
    assert list(table[0]) == ["step", "seed", *METRICS]
    assert [(row["step"], row["seed"]) for row in table] == [
        (step, seed) for step in ("30", "60", "90") for seed in ("5", "6")
    ]
    for first, last in zip(table[:2], table[-2:], strict=True):
        assert float(last["bc_loss"]) < 0.8 * float(first["bc_loss"])
    assert table[0]["bc_loss"] != table[1]["bc_loss"]  # the seeds are two


def test_the_record_repeats_the_run(out):
    def refuse(constant):
        raise AssertionError(f"{constant} is not strict JSON")

    record = json.loads((out / "run.json").read_text(), parse_constant=refuse)
    assert record["command"].startswith("ramac train --dataset made/con")
    assert record["status"] == "finished"
    assert record["reference"] is None
    assert record["diverged"] == []
    assert record["seeds"] == [5, 6]
    assert record["num_steps"] == 90
    assert record["options"]["actor"] == "flow"
    assert record["options"]["num_quantiles"] == 4
    assert record["hyperparams"]["value_min"] == "-inf"
    assert record["hyperparams"]["decay_steps"] == "inf"
    assert record["hyperparams"]["actor_learning_rate"] == 0.01
    assert record["actor_options"] == {
        "num_steps": 10,
        "widths": [16, 16],
        "time_width": 4,
    }
    (source,) = record["datasets"]
    assert (source["id"], source["episodes"], source["steps"]) == (DATASET, 2, 200)
    assert len(source["sha256"]) == 64
    assert record["scaling"]["action_high"] == [2.0, 8.0]
    np.testing.assert_allclose(record["scaling"]["observation_mean"], 5.0, atol=0.5)
    assert {"jax", "minari", "ramac_jax", "python"} <= set(record["versions"])
    assert record["wall_time_s"] > 0.0


def test_the_checkpoint_acts_in_the_units_of_the_environment(out):
    policy = checkpoints.load_policy(out / "checkpoint")
    observations = jnp.full((200, 3), 5.0)
    actions = np.asarray(policy(observations, jax.random.key(0), 1))
    assert (np.abs(actions[:, 0]) <= 2.0).all()
    assert ((actions[:, 1] >= 0.0) & (actions[:, 1] <= 8.0)).all()
    # Actions spread evenly over the box would be 1.25 and 2 away from the data's.
    error = np.abs(actions - ACTION).mean(axis=0)
    assert error[0] < 0.5
    assert error[1] < 1.0


def test_the_checkpoint_ranks_by_the_critics_that_were_trained(out):
    policy = checkpoints.load_policy(out / "checkpoint")
    record = json.loads((out / "run.json").read_text())
    spec, hyperparams = policy.spec.critic, record["hyperparams"]
    assert [spec.options["low"], spec.options["high"]] == record["value_range"]
    assert (spec.risk_measure, spec.risk_level) == ("cvar", hyperparams["risk_level"])
    assert spec.discount == hyperparams["discount"]
    assert spec.reward_scale == record["options"]["reward_scale"]
    observations, key = jnp.full((200, 3), 5.0), jax.random.key(0)
    best = policy(observations, key, 1, num_candidates=8)
    first = policy(observations, key, 1)
    tail = [
        policy.critic.acting_quantiles(
            jax.tree.map(lambda x: x[1], policy.critic_params),
            normalize_observation(policy.spec.scaling, observations),
            scale_action(policy.spec.scaling, actions),
            spec.risk_level * (jnp.arange(4) + 0.5) / 4,
        ).mean()
        for actions in (best, first)
    ]
    assert spec.num_quantiles == 4
    assert tail[0] > tail[1]


def exit_status(*argv):
    with pytest.raises(SystemExit) as ended, process.exit_status("ramac"):
        train.main(argv)
    return ended.value.code


BASE = ("--dataset", DATASET, "--num-steps", "1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing to train on: give --task or --dataset"),
        ((*BASE, "--dataset", "made/constnt-v0"), "datasets here: made/constant-v0"),
        ((*BASE, "--num-seeds", "0"), "--num-seeds is 0: give 1 or more"),
        ((*BASE, "--actor-widths", "8", "-1"), "--actor-widths is -1: give 1 or more"),
        ((*BASE, "--seed", "-1"), "--seed is -1"),
        ((*BASE, "--discount", "1.5"), "discount is 1.5: it must be at least 0 and at"),
        ((*BASE, "--risk-level", "2"), "for cvar it must be above 0 and at most 1"),
        ((*BASE, "--preset", "hoper"), "unknown preset 'hoper': give one of "),
        ((*BASE, "--preset", "radac"), "--preset radac needs a task: give --task"),
    ],
)
def test_bad_input_is_one_line_and_touches_nothing(
    options, message, tmp_path, capsys, monkeypatch
):
    def unreachable(dataset_id):
        raise OSError("no network")

    monkeypatch.setenv("MINARI_REMOTE", "gcp://a-bucket")
    monkeypatch.setattr("minari.storage.hosting.download_dataset", unreachable)
    assert exit_status("--out", str(tmp_path / "out"), *options) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    if "made/constnt-v0" in options:
        search = "looking on the public hub for made/constnt-v0: not on this machine"
        assert lines.pop(0) == search
    (line,) = lines
    assert line.startswith("error: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [("--out", "x", "--vibes", "3"), ("--actor", "gan", "--out", "x"), ()]
)
def test_an_option_that_is_unknown_wrong_or_missing(options, capsys):
    assert exit_status(*BASE, *options) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert exit_status(*BASE, "--out", str(tmp_path / "file" / "out")) == 2
    assert "cannot write to" in capsys.readouterr().err


def test_a_folder_that_holds_a_run_is_kept(tmp_path, capsys):
    (tmp_path / "run.json").write_text('{"precious": 1}')
    assert exit_status(*BASE, "--out", str(tmp_path)) == 2
    assert "already holds a run (run.json)" in capsys.readouterr().err
    assert [x.read_text() for x in tmp_path.iterdir()] == ['{"precious": 1}']


def test_the_process_itself_ends_with_status_2(tmp_path):
    command = [sys.executable, "-m", "ramac_jax", "train", "--dataset", "made/no-v0"]
    root = Path(train.__file__).parents[2]
    ended = subprocess.run(
        [*command, "--out", str(tmp_path / "out"), "--num-steps", "0"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == "error: --num-steps is 0: give 1 or more\n"


def test_divergence_is_reported_recorded_and_ends_with_status_1(tmp_path, capsys):
    (tmp_path / "run.json").write_text("of an earlier run")
    options = ["--dataset", DATASET, "--out", str(tmp_path), "--overwrite", *TINY]
    options += ["--critic-learning-rate", "1e38", "--num-critics", "1"]
    assert exit_status(*options) == 1
    said = capsys.readouterr().err
    assert said.count("no episode is played: the dataset names no environment") == 1
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["status"] == "diverged"
    assert [entry["seed"] for entry in record["diverged"]] == [5, 6]
    for entry in record["diverged"]:
        line = f"warning: seed-{entry['seed']} diverged after update {entry['step']} of"
        assert said.count(line) == 1
        assert 0 <= entry["step"] < record["num_steps"]
    assert not (tmp_path / "population").exists()


class Died(Exception):
    pass


def test_an_interrupted_run_resumes_to_the_same_numbers(
    out, tmp_path, monkeypatch, capsys
):
    options = ["--dataset", DATASET, "--actor", "flow", *TINY, "--save-every", "20"]
    options += ["--out", str(tmp_path / "out")]
    update = CsvTable.update

    def die(self, stage, columns, rows):
        update(self, stage, columns, rows)
        if len(rows.get("step", ())) == 2:
            raise Died

    monkeypatch.setattr(CsvTable, "update", die)
    with pytest.raises(Died):
        train.main(options)
    monkeypatch.setattr(CsvTable, "update", update)
    assert exit_status(*options, "--num-quantiles", "8") == 2
    assert "with options.num_quantiles 4, not 8" in capsys.readouterr().err
    train.main(options)
    for name in ("metrics.csv", "learning.png"):
        assert (tmp_path / "out" / name).read_bytes() == (out / name).read_bytes()
    one, other = (
        checkpoints.load_policy(folder / "checkpoint").params
        for folder in (out, tmp_path / "out")
    )
    jax.tree.map(np.testing.assert_array_equal, one, other)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["status"] == "finished"
    assert len(record["resumed"]) == 1
    assert exit_status(*options) == 2
    assert "already holds a run" in capsys.readouterr().err


@pytest.mark.parametrize(("share", "warned"), [(0.005, False), (0.03, True)])
def test_targets_outside_of_the_range_are_warned_of(share, warned, capsys):
    metrics = {"target_clipped": np.array([[0.9, 0.9], [0.0, share]])}
    training.warn_of_clipping(SimpleNamespace(history=SimpleNamespace(metrics=metrics)))
    message = capsys.readouterr().err
    warning = "up to 3.0% of the critics' targets of 1 of 2 agents lie outside"
    assert (warning in message) == warned
