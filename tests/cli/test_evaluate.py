"""The evaluate command, end to end on a checkpoint of two untrained agents."""

import csv
import json
import shutil

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.cli import evaluate
from ramac_jax.cli.runs import protocol as protocols
from ramac_jax.normalization import Scaling

OPTIONS = {"num_steps": 2, "widths": [8], "time_width": 4}
FILES = {"episodes.csv", "evaluation.json", "monitored.npz", "returns.png"}
ASKED = ["--episodes", "3", "--horizon", "30", "--seed", "50"]


def refuse(constant):
    raise AssertionError(f"{constant} is not strict JSON")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of hopper-medium-expert, of seeds 5 and 6, before any evaluation."""
    scaling = Scaling(jnp.zeros(11), jnp.ones(11), -jnp.ones(3), jnp.ones(3))
    critic = checkpoints.CriticSpec(
        name="quantile",
        options={"width": 8, "embedding_width": 8, "num_cosines": 4},
        risk_level=0.25,
        num_quantiles=4,
    )
    spec = checkpoints.PolicySpec(
        scaling=scaling, actor="flow", actor_options=OPTIONS, critic=critic
    )
    agent = rj.ramac_agent(
        checkpoints.build_actor(spec), checkpoints.build_critic(critic), num_quantiles=4
    )
    batch = rj.Transition(
        np.ones((4, 11)), np.ones((4, 3)), np.ones(4), np.ones((4, 11)), np.zeros(4)
    )
    draw = np.random.default_rng(0)
    states = jax.tree.map(
        lambda x: jnp.asarray(draw.normal(size=(2, *x.shape)), x.dtype),
        jax.eval_shape(agent.init, jax.random.key(0), batch),
    )
    folder = tmp_path_factory.mktemp("run")
    checkpoints.save_policy(folder / "checkpoint", states, spec)
    record = {
        "task": "hopper-medium-expert",
        "preset": "hopper-medium-expert/rafmac",
        "env": gymnasium.spec("ramac_jax/hopper-medium-expert-v4").to_json(),
        "seeds": [5, 6],
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def evaluated(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("scores")
    evaluate.main([str(trained), "--out", str(out), *ASKED])
    return out


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


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


def test_the_record_repeats_the_evaluation(evaluated, trained):
    record = json.loads((evaluated / "evaluation.json").read_text())
    start = f"ramac evaluate {trained} --out"
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


def read(folder):
    with open(folder / "frontier.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return json.loads((folder / "evaluation.json").read_text()), rows


def test_every_combination_of_acting_options_is_played(run, tmp_path, capsys):
    options = ["--num-candidates", "3"]
    grid = ["--temperatures", "0", "1", "--risk-levels", ".1", ".9", *options]
    evaluate.main([str(run), *ASKED, *grid])
    record, rows = read(run)
    assert {*FILES, "frontier.csv", "frontier.png"} < {x.name for x in run.iterdir()}
    settings = [(0.0, 3, 0.1), (0.0, 3, 0.9), (1.0, 3, 0.1), (1.0, 3, 0.9)]
    names = ("temperature", "num_candidates", "risk_level")
    assert [tuple(x[name] for name in names) for x in record["frontier"]] == settings
    found = [(*(float(row[name]) for name in names), row["seed"]) for row in rows]
    assert found == [(*each, seed) for each in settings for seed in "56"]
    assert record["settings"]["acting"] == dict(zip(names, settings[0], strict=True))
    first = record["frontier"][0]
    assert first["mean"] == record["summary"]["mean"]
    means = [float(row["mean"]) for row in rows]
    assert np.mean(means[:2]) == pytest.approx(first["mean"]["value"])
    assert means[0] == pytest.approx(means[2])  # without noise all candidates are one
    assert means[4] != means[6]
    printed = capsys.readouterr().out
    assert "best of 3 actions, with 95 % of resampled episodes" in flat(printed)

    # One setting alone gives its row, and leaves no table of several behind.
    evaluate.main([str(run), *ASKED, "--risk-levels", ".9", *options])
    alone = json.loads((run / "evaluation.json").read_text())
    assert alone["summary"]["mean"] == record["frontier"][3]["mean"]
    assert alone["command"].endswith("--risk-levels .9 --num-candidates 3")
    assert "frontier" not in alone and not (run / "frontier.csv").exists()
    assert not (run / "frontier.png").exists()
    assert "temperature 1, best of 3 at level 0.9" in flat(capsys.readouterr().out)


def flat(text):
    return " ".join(text.split())


def test_candidates_are_ranked_at_the_level_of_training_by_default(run):
    evaluate.main([str(run), *ASKED, "--num-candidates", "2"])
    record = json.loads((run / "evaluation.json").read_text())
    assert record["settings"]["acting"]["risk_level"] == 0.25


def test_a_run_without_critics_is_played_at_any_temperature(run):
    policy = checkpoints.load_policy(run / "checkpoint")
    spec = policy.spec._replace(critic=None)
    zeros = jax.tree.map(jnp.zeros_like, policy.params)
    states = rj.State(policy.params, zeros, {}, {}, {}, {}, jnp.zeros(2, jnp.int32))
    checkpoints.save_policy(run / "checkpoint", states, spec)
    evaluate.main([str(run), *ASKED, "--temperatures", "0"])
    record = json.loads((run / "evaluation.json").read_text())
    assert record["settings"]["acting"]["temperature"] == 0.0
    with pytest.raises(rj.InputError, match="2 and there are no critics to rank"):
        evaluate.main([str(run), *ASKED, "--num-candidates", "2"])


def test_a_plain_environment_has_no_score(run):
    evaluate.main([str(run), "--env", "Hopper-v5", *ASKED])
    record = json.loads((run / "evaluation.json").read_text())
    assert record["settings"]["task"] is None
    assert record["summary"]["normalized_score"]["value"] is None
    assert record["summary"]["risky_share"]["value"] == 0.0


@pytest.mark.parametrize(
    ("task", "env", "horizon", "expected"),
    [
        ("hopper-medium-replay", None, None, ("hopper-medium-replay-v5", 500)),
        ("hopper-medium-replay", None, "full", ("hopper-medium-replay-v5", 1000)),
        (None, "ramac_jax/walker2d-medium-expert-v4", None, ("expert-v4", 500)),
        (None, "Hopper-v5", None, ("Hopper-v5", 1000)),
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
        (["--temperatures", "1", "-1"], "temperature is -1: it must be at least 0"),
        (["--temperatures", "nan"], "temperature is nan: it must be at least 0"),
        (["--temperatures", "1", "1.0"], "--temperatures must have one value or more"),
        (["--num-candidates", "0"], "num_candidates is 0: give 1 or more"),
        (["--risk-levels", ".5"], "rank candidates: give --num-candidates 2 or more"),
        (
            ["--num-candidates", "2", "--risk-levels", ".5", "1.5"],
            "risk_level is 1.5: it must be above 0 and at most 1",
        ),
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
        ('{"seeds": 3}', "its seeds are no list"),
        ("{}", "names no task and no environment: give --task NAME or --env ID"),
        ('{"env": "Hopper"}', "run.json is damaged .*: give --task NAME or --env ID"),
        (
            '{"task": "hopper-medium-expert", "seeds": [1]}',
            "2 agents and the run names 1 seeds",
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
