"""One command per task: the stochastic dataset, the run, its scores and its figures."""

import csv
import json

import gymnasium as gym
import jax
import jax.numpy as jnp
import minari
import numpy as np
import pytest

from ramac_jax.cli import data, evaluate, process, report, train
from ramac_jax.cli.runs import folder as run_folder
from ramac_jax.cli.runs import results
from ramac_jax.data.relabel import read_record
from ramac_jax.policy import load_policy

TASK, SOURCE = "hopper-medium-replay", "made/hopper/mixed-v0"
TINY = (
    "--num-seeds 2 --seed 5 --bc-steps 4 --num-steps 4 --log-every 2 --eval-every 2 "
    "--batch-size 8 --actor-widths 8 --critic-width 8 --embedding-width 8 "
    "--num-cosines 4 --num-quantiles 4 --episodes 3 --eval-episodes 2 --horizon 6"
).split()
ACTING = (
    "--acting-temperature .5 --acting-num-candidates 3 --acting-softmax-temperature .25"
).split()
BASE = ["--task", TASK, "--dataset", SOURCE, *TINY]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning:minari"),
]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory, leaning_hopper):
    """The leaning hopper."""
    folder = tmp_path_factory.mktemp("datasets")
    episodes = leaning_hopper()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        minari.create_dataset_from_buffers(
            SOURCE, episodes, env=gym.make("Hopper-v5", disable_env_checker=True)
        )
        yield folder


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "radac"
    train.main([*BASE, "--acting-temperature", "1", "--out", str(out)])
    return out


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def exit_status(main, *argv):
    with pytest.raises(SystemExit) as ended, process.exit_status("ramac"):
        main(argv)
    return ended.value.code


def test_the_stochastic_dataset_is_made_and_recorded(run):
    record = read_record("stochastic/hopper/medium-replay-v0")
    assert (record["task"], record["seed"]) == (TASK, 0)
    written = json.loads((run / "run.json").read_text())
    assert written["dataset_records"] == [record]
    assert written["datasets"][0]["id"] == "stochastic/hopper/medium-replay-v0"
    assert written["env_id"] == "ramac_jax/hopper-medium-replay-v5"
    assert (written["task"], written["preset"]) == (TASK, f"{TASK}/radac")
    assert written["evaluation"]["hazard"]["penalty"] == -50.0
    assert written["evaluation"]["horizon"] == 6
    assert written["evaluation"]["reference"] == [-20.272305, 3234.3]
    assert written["status"] == "finished"


def test_every_seed_is_scored_on_the_way_and_at_the_end(run):
    watched = table(run / "evaluations.csv")
    assert [(r["step"], r["seed"]) for r in watched] == [
        (step, seed) for step in "24" for seed in "56"
    ]
    episodes = table(run / "episodes.csv")
    assert [(r["seed"], r["episode_seed"]) for r in episodes] == [
        (seed, str(1_000_000 + 3 * p + m))
        for p, seed in enumerate("56")
        for m in range(3)
    ]
    returns = [float(r["return"]) for r in episodes]
    summary = json.loads((run / "evaluation.json").read_text())["summary"]
    assert summary["mean"]["value"] == pytest.approx(np.mean(returns))
    # The last one on the way is of the same agents; the first has the same episodes.
    assert float(watched[-2]["mean"]) == pytest.approx(np.mean(returns[:2]))


def test_the_command_in_the_record_gives_the_same_episodes(run, tmp_path):
    command = json.loads((run / "evaluation.json").read_text())["command"].split()
    assert command[:2] == ["ramac", "evaluate"]
    evaluate.main([*command[2:], "--out", str(tmp_path)])
    again = (tmp_path / "episodes.csv").read_bytes()
    assert again == (run / "episodes.csv").read_bytes()


@pytest.fixture(scope="module")
def ranked(folder, tmp_path_factory):
    """A run whose evaluations take the best of three actions."""
    out = tmp_path_factory.mktemp("runs") / "ranked"
    train.main([*BASE, *ACTING, "--out", str(out)])
    return out


def test_evaluations_act_by_the_options_of_acting(ranked, run, tmp_path):
    """On the way and at the end, with the critics of the moment."""
    acting = {
        "temperature": 0.5,
        "num_candidates": 3,
        "risk_level": json.loads((run / "run.json").read_text())["hyperparams"][
            "risk_level"
        ],
        "softmax_temperature": 0.25,
    }
    assert json.loads((ranked / "run.json").read_text())["evaluation"][
        "acting"
    ] == pytest.approx(acting)
    record = json.loads((ranked / "evaluation.json").read_text())
    assert record["settings"]["acting"] == pytest.approx(acting)
    assert record["calibration"] is None
    assert not (ranked / results.CALIBRATION).exists()
    returns = [float(r["return"]) for r in table(ranked / "episodes.csv")]
    watched = table(ranked / "evaluations.csv")
    assert float(watched[-2]["mean"]) == pytest.approx(np.mean(returns[:2]))
    as_trained = [float(r["return"]) for r in table(run / "episodes.csv")]
    assert not np.isin(returns, as_trained).any()
    metrics = [(x / "metrics.csv").read_bytes() for x in (run, ranked)]
    assert metrics[0] == metrics[1]  # the training is the same
    command = record["command"].split()
    evaluate.main([*command[2:], "--out", str(tmp_path)])
    again = (tmp_path / "episodes.csv").read_bytes()
    assert again == (ranked / "episodes.csv").read_bytes()


def test_what_the_critics_predict_stands_beside_what_episodes_gave(run, tmp_path):
    """The same figures at the end of training and from the checkpoint."""
    record = json.loads((run / "evaluation.json").read_text())
    found = record["calibration"]
    with np.load(run / "monitored.npz") as held:
        gained = held["rewards"] @ 0.99 ** np.arange(6)
    assert found["observed"]["mean"]["value"] == pytest.approx(gained.mean(), rel=1e-5)
    assert found["predicted"]["cvar"] <= found["predicted"]["mean"]
    words = ["--episodes", "3", "--horizon", "6", "--out", str(tmp_path)]
    evaluate.main([str(run), *words])
    again = json.loads((tmp_path / "evaluation.json").read_text())["calibration"]
    assert again == found


def test_critics_are_not_compared_with_agents_that_act_otherwise(run, tmp_path, capsys):
    """They predict the policy that was trained; the summary says how to play it."""
    words = ["--episodes", "2", "--horizon", "6", "--temperatures", "0"]
    evaluate.main([str(run), *words, "--out", str(tmp_path)])
    record = json.loads((tmp_path / "evaluation.json").read_text())
    assert record["calibration"] is None
    assert not (tmp_path / results.CALIBRATION).exists()
    assert "ramac evaluate RUN --temperatures 1" in capsys.readouterr().out


def test_everything_that_was_promised_is_there(run):
    """And no checkpoint to go on from, nor what a sink makes that nobody asked for."""
    there = {x.name for x in run.iterdir() if x.name != ".lock"}
    of_training = {"run.json", "metrics.csv", "learning.png", "checkpoint"}
    assert there == of_training | {
        "evaluations.csv",
        results.CALIBRATION,
        *results.FILES,
    }
    assert there < set(run_folder.TRAIN.names)


def test_behaviour_cloning_needs_no_critic(tmp_path):
    options = [*BASE, "--preset", "bc-flow", "--bc-steps", "0", "--episodes", "1"]
    train.main([*options, "--out", str(tmp_path)])
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["preset"], record["status"]) == (f"{TASK}/bc-flow", "finished")
    rows = table(tmp_path / "metrics.csv")
    assert {float(row["risk_value"]) for row in rows} == {0.0}


def test_data_of_a_hazard_of_ones_own_are_scored_under_it(tmp_path):
    """Every step leans outside [-2, -1], and each is charged."""
    hazard = "--low -2 --high -1 --probability 1 --penalty -7 --coordinate 1".split()
    made = ["--quantity", "torso angle", "--id", "made/own-v0", "--source", SOURCE]
    data.main(["relabel", *made, *hazard])
    own = [x for x in BASE if x not in ("--task", TASK, "--dataset", SOURCE)]
    options = ["--dataset", "made/own-v0", "--num-critics", "0", "--actor", "flow"]
    train.main([*own, *options, "--out", str(tmp_path / "run")])
    for row in table(tmp_path / "run" / "episodes.csv"):
        assert row["risky_steps"] == row["length"] != "0"
        assert float(row["penalties"]) == -7.0 * int(row["length"])
    evaluate.main([str(tmp_path / "run"), "--episodes", "1", "--horizon", "3"])
    assert float(table(tmp_path / "run" / "episodes.csv")[0]["penalties"]) == -21.0


def test_a_tasks_dataset_under_another_name_is_a_run_of_the_task(tmp_path):
    relabel = ["relabel", "--task", TASK, "--source", SOURCE, "--seed", "3"]
    data.main([*relabel, "--id", "made/third-v0"])
    own = [x for x in BASE if x not in ("--task", TASK, "--dataset", SOURCE)]
    options = ["--dataset", "made/third-v0", "--num-critics", "0", "--actor", "flow"]
    train.main([*own, *options, "--out", str(tmp_path)])
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["task"] == TASK
    assert record["dataset_records"][0]["seed"] == 3


def test_the_checkpoint_of_a_run_acts(run):
    policy = load_policy(run / "checkpoint")
    action = policy(jnp.zeros(11), jax.random.key(0))
    assert action.shape == (3,)
    assert (abs(action) <= 1.0).all()


def test_a_report_takes_the_run(run, tmp_path):
    report.main([str(run), "--out", str(tmp_path)])
    assert f"| {TASK} | radac |" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([*BASE, "--data-seed", "1"], "was made with seed 0, not 1"),
        ([*BASE, "--dataset", "made/other-v0"], "was made with sources"),
        ([*BASE, "--horizon", "soon"], "--horizon is soon"),
        (
            [*BASE, "--preset", "bc-flow", "--acting-num-candidates", "3"],
            "3, and behaviour cloning has no critics to rank the candidates: give 1",
        ),
        (["--task", "walker2d-medium-replay", *TINY], "the public hub has no data"),
        (
            ["--task", "halfcheetah-medium-replay", "--dataset", SOURCE, *TINY],
            "HalfCheetah",
        ),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(argv, message, tmp_path, capsys, run):
    assert exit_status(train.main, *argv, "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert message in said
    assert list(tmp_path.iterdir()) == []
