"""The sweep command, end to end on a task's dataset."""

import csv
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import jax
import jax.numpy as jnp
import minari
import numpy as np
import orbax.checkpoint as ocp
import pytest

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.cli import evaluate, process, sweep
from ramac_jax.cli.runs import agents, recording, tracking
from ramac_jax.folders import lock_folder
from ramac_jax.population import train as running

TASK, SOURCE, PLAIN = "hopper-medium-replay", "made/hopper/mixed-v0", "made/plain-v0"
TINY = (
    "--bc-steps 0 --num-critics 0 --actor-widths 8 --sampler-steps 2 --batch-size 8 "
    "--log-every 2 --save-every 2 --eval-every 2 --episodes 3 --eval-episodes 2 "
    "--selection-episodes 2 --horizon 6"
).split()
SEEDS = "--num-seeds 3 --seed 5 --num-steps 6".split()
ON_TASK = ["--task", TASK, "--dataset", SOURCE, "--preset", "bc-flow", *TINY, *SEEDS]
ON_PLAIN = ["--dataset", PLAIN, "--preset", f"{TASK}/bc-flow", *TINY]
RATES = "actor_learning_rate=0.5,0.02,0.3"
HALVING = [*ON_TASK, "--batch-size", "2", "--halving", "3"]
GRID = ["--grid", "risk_weight=1,2"]
SEARCH = [*HALVING, "--grid", RATES, "batch_size=4,8"]
FILES = {"sweep.json", "metrics.csv", "evaluations.csv", "agents.csv", "report.md"}
FILES |= {"frontier.png", "agents", "best"}

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari")


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory, leaning_hopper):
    """The leaning hopper, and the same without an environment."""
    folder = tmp_path_factory.mktemp("datasets")
    episodes = leaning_hopper()
    hopper = gym.make("Hopper-v5", disable_env_checker=True)
    spaces = {
        "observation_space": hopper.observation_space,
        "action_space": hopper.action_space,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        minari.create_dataset_from_buffers(SOURCE, episodes, env=hopper)
        minari.create_dataset_from_buffers(PLAIN, episodes, **spaces)
        yield folder


def build_toy(arguments, spec):
    """An agent that acts as a true one does, and compiles in a tenth of the time.

    Its actor drifts at its learning rate, on the rewards of the batches.
    """
    actor = checkpoints.build_actor(spec)
    one_each = (jnp.zeros((1, 11)), jnp.zeros((1, 3)))
    shapes = jax.eval_shape(actor.init, jax.random.key(0), *one_each)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape), shapes)
    start, shaped = jax.flatten_util.ravel_pytree(zeros)

    def init(key, example):
        params = shaped(0.3 * jax.random.normal(key, start.shape))
        return rj.State(params, {}, {}, {}, {}, {}, jnp.int32(0))

    def update(state, batch, key, hyperparams):
        flat = jax.flatten_util.ravel_pytree(state.actor_params)[0]
        drift = jax.random.normal(key, start.shape) + jnp.mean(batch.reward)
        flat = flat + hyperparams.actor_learning_rate * drift
        metrics = {"loss": jnp.mean(flat**2), "risk_value": jnp.mean(batch.reward)}
        return state._replace(actor_params=shaped(flat), step=state.step + 1), metrics

    return rj.Agent(init, update, None)


@pytest.fixture(scope="module", autouse=True)
def toys():
    """Toys train; those of the same options and sizes share their programs."""

    def kept(make, key_of):
        known = {}

        def get(*args, **options):
            if (key := key_of(*args, **options)) not in known:
                known[key] = make(*args, **options)
            return known[key]

        return get

    def programs_key(agent, dataset, *sizes, **options):
        return agent, tuple(x.shape for x in dataset), *sizes, *options.items()

    with pytest.MonkeyPatch.context() as patch:
        for module, name, make, key_of in (
            (
                checkpoints,
                "build_actor",
                checkpoints.build_actor,
                lambda spec: spec.actor,
            ),
            (agents, "build_agent", build_toy, lambda arguments, spec: spec.actor),
            (running, "Programs", running.Programs, programs_key),
        ):
            patch.setattr(module, name, kept(make, key_of))
        yield


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """A sweep that nothing disturbed."""
    out = tmp_path_factory.mktemp("sweeps") / "whole"
    sweep.main([*SEARCH, "--out", str(out)])
    return out


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def record_of(out):
    return json.loads((out / "sweep.json").read_text())


def exit_status(main, *argv):
    with pytest.raises(SystemExit) as ended, process.exit_status("ramac"):
        main(argv)
    return ended.value.code


def visible(out):
    return {x.name for x in out.iterdir() if x.name != ".lock"}


def contents(out):
    """Every byte below a folder."""
    return {x: x.read_bytes() for x in out.rglob("*") if x.is_file()}


def read_states(checkpoint):
    """Every array of a checkpoint, in NumPy."""
    with ocp.PyTreeCheckpointer() as checkpointer:
        tree = checkpointer.restore(checkpoint.absolute() / "state")
    return jax.tree.map(np.asarray, tree)


def assert_same(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    jax.tree.map(np.testing.assert_array_equal, left, right)


def test_a_member_and_interval_has_a_row(whole):
    """The second rate of both batch sizes goes on to the second rung."""
    expected = [
        (str(step), str(setting), seed)
        for steps, settings in (
            ((2,), (0, 1, 2)),
            ((2,), (3, 4, 5)),
            ((4, 6), (1,)),
            ((4, 6), (4,)),
        )
        for step in steps
        for setting in settings
        for seed in "567"
    ]
    for name, columns in (
        ("metrics.csv", ["loss", "risk_value"]),
        ("evaluations.csv", ["mean", "cvar", "risky_share", "failed"]),
    ):
        rows = table(whole / name)
        assert list(rows[0]) == ["step", "setting", "seed", *columns]
        assert [(x["step"], x["setting"], x["seed"]) for x in rows] == expected


def test_some_seeds_choose_and_the_others_score(whole):
    rows = table(whole / "agents.csv")
    assert [(x["use"], x["setting"], x["seed"], x["num_steps"]) for x in rows] == [
        *(("selection", str(setting), "5", "2") for setting in range(6)),
        *(("selection", setting, "5", "6") for setting in "14"),
        *(("score", setting, seed, "6") for setting in "14" for seed in "67"),
    ]


def test_the_ranking_follows_the_selection_and_tells_the_scores(whole):
    rows, record = table(whole / "agents.csv"), record_of(whole)
    assert record["status"] == "finished"
    assert record["rungs"] == [
        {"num_settings": 6, "num_steps": 2},
        {"num_settings": 2, "num_steps": 6},
    ]

    def worth(use, num_steps):
        """The mean over seeds of each setting's CVaR."""
        found = {}
        for row in rows:
            if (row["use"], row["num_steps"]) == (use, num_steps):
                found.setdefault(int(row["setting"]), []).append(float(row["cvar"]))
        return {setting: np.mean(values) for setting, values in found.items()}

    early, late, scores = (
        worth("selection", "2"),
        worth("selection", "6"),
        worth("score", "6"),
    )
    by_worth = sorted(early, key=early.get, reverse=True)
    assert set(by_worth[:2]) == set(late)
    told = [
        (x["setting"], x["num_steps"], x["chosen_by"]) for x in record["eliminated"]
    ]
    assert told == [(setting, 2, early[setting]) for setting in by_worth[2:]]
    order = sorted(late, key=late.get, reverse=True)
    assert order == [4, 1]  # the lower number is not first by its number
    assert [x["setting"] for x in record["ranking"]] == order
    for entry in record["ranking"]:
        setting = entry["setting"]
        assert entry["chosen_by"] == late[setting]
        assert entry["score"]["cvar"]["value"] == pytest.approx(scores[setting])
        assert entry["chosen_by"] != pytest.approx(scores[setting])
        assert entry["frozen"] == entry["unscored"] == 0
    assert record["settings"][4]["label"] == "batch_size=8 actor_learning_rate=0.02"
    assert record["settings"][4]["variant"] == 1
    assert record["settings"][4]["hyperparams"]["actor_learning_rate"] == 0.02
    report = (whole / "report.md").read_text()
    assert "| 1 | 4: batch_size=8 actor_learning_rate=0.02 |" in report
    assert "| 2 | 1: batch_size=4 actor_learning_rate=0.02 |" in report
    assert record["selection"] in report
    left_out = report[report.index("Left out on the way") :].splitlines()[4:]
    assert [row.split(":")[0] for row in left_out] == [f"| {x}" for x in by_worth[2:]]
    assert "of seed 5, and scored by 3 other episodes of each" in record["selection"]


def test_everything_that_was_promised_is_there_and_nothing_else(whole):
    assert visible(whole) == FILES
    assert {x.name for x in (whole / "agents").iterdir()} == {"0", "1"}
    assert {x.name for x in (whole / "best").iterdir()} == {"checkpoint", "run.json"}


def test_the_best_is_the_chosen_settings_members(whole):
    of_variant = read_states(whole / "agents" / "1" / "checkpoint")
    assert_same(read_states(whole / "best" / "checkpoint"), of_variant)
    assert of_variant["step"].tolist() == [6, 6, 6]
    record = json.loads((whole / "best" / "run.json").read_text())
    assert record["status"] == "finished"
    assert (record["setting"], record["seeds"]) == (4, [5, 6, 7])
    assert record["label"] == "batch_size=8 actor_learning_rate=0.02"
    assert record["options"]["batch_size"] == 8
    assert record["hyperparams"] == record_of(whole)["settings"][4]["hyperparams"]
    policy = checkpoints.load_policy(whole / "best" / "checkpoint")
    action = policy(jnp.zeros(11), jax.random.key(0), 2)
    assert action.shape == (3,)
    assert (abs(action) <= 1.0).all()


def means(rows, *names):
    return {tuple(x[name] for name in names): float(x["mean"]) for x in rows}


def test_evaluate_plays_the_best_and_finds_what_the_sweep_found(whole, tmp_path):
    """An agent alone in its leg has the episodes that its place among them says."""
    best = str(whole / "best")
    for out, first, episodes in (("watched", 10**9, "2"), ("scored", 10**6 - 3, "3")):
        options = ["--episodes", episodes, "--seed", str(first), "--horizon", "6"]
        evaluate.main([best, *options, "--out", str(tmp_path / out)])

    def played(out):
        rows = table(tmp_path / out / "episodes.csv")
        return [
            np.mean([float(x["return"]) for x in rows if x["seed"] == s]) for s in "567"
        ]

    watched = means(table(whole / "evaluations.csv"), "step", "setting", "seed")
    told = [watched["6", "4", seed] for seed in "567"]
    assert played("watched") == pytest.approx(told)
    told = means(table(whole / "agents.csv"), "use", "num_steps", "setting", "seed")
    assert told["selection", "6", "4", "5"] == pytest.approx(played("watched")[0])
    scores = [told["score", "6", "4", seed] for seed in "67"]
    assert played("scored")[1:] == pytest.approx(scores)
    assert played("watched") != pytest.approx(played("scored"))


class Died(Exception):
    pass


def dying(patch, owner, name, when, error):
    """Let a function raise an error instead, once `when` holds of its arguments."""
    original = getattr(owner, name)

    def call(*args, **options):
        if when(*args, **options):
            raise error
        return original(*args, **options)

    patch.setattr(owner, name, call)


def told_rows(leg, number):
    """When the table hears of so many rows of a leg."""
    return lambda self, told, columns, rows: (
        told[0] == leg and len(rows.get("step", ())) == number
    )


def second_play():
    """When agents are played for the second time, those watched not counted."""
    count = itertools.count(1)
    return lambda *args, progress=False, **changed: progress and next(count) == 2


def scoring(*args, progress=False, **changed):
    return progress and not changed


MOMENTS = {
    "the first rung": (
        recording.Table,
        "update",
        told_rows("rung-0-variant-1", 1),
        Died,
    ),
    "the selection": (tracking.Arena, "play", second_play(), Died),
    "the second rung": (
        recording.Table,
        "update",
        told_rows("rung-1-variant-0", 2),
        Died,
    ),
    "the scores": (tracking.Arena, "play", scoring, KeyboardInterrupt),
    "the best": (
        sweep,
        "write_json",
        lambda path, _: path.parent.name == "best",
        Died,
    ),
}


def test_a_sweep_that_is_broken_off_again_and_again_ends_as_any_other(
    whole, tmp_path, capsys
):
    out = tmp_path / "broken"
    command = [*SEARCH, "--out", str(out)]
    for moment, (*place, error) in MOMENTS.items():
        with pytest.MonkeyPatch.context() as patch:
            dying(patch, *place, error)
            if error is Died:
                with pytest.raises(Died):
                    sweep.main(command)
            else:
                assert exit_status(sweep.main, *command) == 130, moment
        status = "running" if error is Died else "interrupted"
        assert record_of(out)["status"] == status, moment
        assert (out / "population").is_dir()
    sweep.main(command)
    assert visible(out) == FILES
    for name in FILES - {"sweep.json", "agents", "best"}:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    for name in ("agents/0", "agents/1", "best"):
        assert_same(*(read_states(x / name / "checkpoint") for x in (whole, out)))
    one, other = record_of(whole), record_of(out)
    assert len(other.pop("resumed")) == 5
    for record in (one, other):
        record["options"].pop("out")
        for name in ("command", "started", "wall_time_s"):
            record.pop(name)
    assert one == other


def test_a_folder_is_kept_from_other_options_and_from_a_second_run(
    whole, tmp_path, capsys
):
    out = tmp_path / "broken"
    command = [*SEARCH, "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        dying(patch, *MOMENTS["the first rung"])
        with pytest.raises(Died):
            sweep.main(command)
    finished = [*SEARCH, "--out", str(whole)]
    other = [*HALVING, "--grid", RATES, "--out", str(out)]
    before = contents(out), contents(whole)
    capsys.readouterr()
    for words, said in (
        ([*command, "--halving", "2"], "run with options.halving 3, not 2: give 3, or"),
        (
            [*command, "--num-seeds", "2"],
            "run with options.num_seeds 3, not 2: give 3, or",
        ),
        (
            [*command, "--select", "mean"],
            'with options.select "cvar", not "mean": give',
        ),
        (other, 'run with options.grid ["actor_learning_rate=0.5,0.02,0.3", "batch'),
        (
            [*command, "--discount", "0.5"],
            "with options.hyperparams.discount 0.99, not",
        ),
        (finished, "already holds a run (sweep.json, metrics.csv"),
    ):
        assert exit_status(sweep.main, *words) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert said in error
    with lock_folder(out):
        assert exit_status(sweep.main, *command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"another run uses {out}: wait for it" in error
    assert (contents(out), contents(whole)) == before


def test_a_setting_that_diverges_is_told_and_ranked_last(whole, tmp_path, capsys):
    """In the folder of an earlier sweep, of which nothing is left."""
    out = shutil.copytree(whole, tmp_path / "again")
    grid = ["--grid", "actor_learning_rate=1e30,0.02,0.3", "--overwrite"]
    capsys.readouterr()
    assert exit_status(sweep.main, *ON_TASK, *grid, "--out", str(out)) == 1
    said, record = capsys.readouterr(), record_of(out)
    assert said.err.count("diverged after") == 3
    for seed in (5, 6, 7):
        line = f"warning: setting-0-seed-{seed} diverged after update 0 of training:"
        assert said.err.count(line) == 1
    assert record["diverged"] == [
        {"setting": 0, "seed": seed, "step": 0} for seed in (5, 6, 7)
    ]
    assert record["status"] == "diverged"
    assert [x["frozen"] for x in record["ranking"]] == [0, 0, 3]
    assert record["ranking"][-1]["setting"] == 0
    assert said.out.count("diverged)") == 1
    assert re.search(r"\| 3 \| 0: .* \| 3 \|\n", (out / "report.md").read_text())
    assert record["eliminated"] == []
    assert visible(out) == FILES
    assert {x.name for x in (out / "agents").iterdir()} == {"0"}
    assert json.loads((out / "best" / "run.json").read_text())["status"] == "finished"
    states = read_states(out / "agents" / "0" / "checkpoint")
    assert states["step"].tolist() == [0] * 3 + [6] * 6
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(states))
    chosen = slice(3 * record["ranking"][0]["setting"], None)
    best = jax.tree.map(lambda x: x[chosen][:3], states)
    assert_same(read_states(out / "best" / "checkpoint"), best)
    rungs = read_states(whole / "best" / "checkpoint")  # the same setting, by way of
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[3:6], b, 1e-5, 1e-6), states, rungs
    )


def test_without_an_environment_members_train_and_are_not_ranked(tmp_path, capsys):
    sweep.main([*ON_PLAIN, *SEEDS, "--grid", RATES, "--out", str(tmp_path)])
    said = capsys.readouterr()
    assert visible(tmp_path) == {"sweep.json", "metrics.csv", "agents"}
    record = record_of(tmp_path)
    assert record["status"] == "finished"
    assert record["selection"] is record["evaluation"] is None
    assert record["ranking"] == record["eliminated"] == []
    assert len(table(tmp_path / "metrics.csv")) == 3 * 3 * 3
    states = read_states(tmp_path / "agents" / "0" / "checkpoint")
    assert states["step"].tolist() == [6] * 9
    for text in (said.out, said.err):
        assert "chosen" not in text and "score" not in text


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([*ON_TASK, "--grid", "risk_wieght=1"], "unknown option 'risk_wieght': did yo"),
        ([*ON_TASK, "--grid", "discount=2"], "discount is 2: it must be at least 0"),
        ([*ON_TASK, "--grid", "risk_weight="], "risk_weight= lacks a value"),
        ([*ON_TASK, "--grid"], "--grid is empty: give NAME=VALUES after it"),
        (ON_TASK, "nothing to search: give --grid or --random"),
        (
            [*ON_TASK, *GRID, "--horizon", "soon"],
            "--horizon is soon: give paper, full or st",
        ),
        (
            [*ON_PLAIN, "--num-steps", "6", "--grid", RATES, "--halving", "3"],
            "--halving chooses by episodes, and the dataset names no environment",
        ),
        (
            [*ON_TASK, "--grid", "actor=diffusion", "--sampler-steps", "0"],
            "--sampler-steps is 0: give 1 or more",
        ),
    ],
)
def test_bad_input_is_one_line_and_touches_nothing(words, line, tmp_path, capsys):
    assert exit_status(sweep.main, *words, "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {line}")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = ("--out", str(tmp_path / "file/out"))
    assert exit_status(sweep.main, *ON_TASK, *GRID, *out) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: cannot ")
    assert said.count("\n") == 1


def test_members_too_large_for_the_memory_leave_nothing_behind(tmp_path, capsys):
    words = [*ON_TASK, "--grid", RATES, "--memory", "1e-6", "--out", str(tmp_path)]
    assert exit_status(sweep.main, *words) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: one member alone needs ")
    assert visible(tmp_path) == set()


def test_a_signal_to_the_process_is_heeded_and_the_command_goes_on(tmp_path):
    """True agents, in processes of their own; they save more than they train."""
    out, root = tmp_path / "out", Path(sweep.__file__).parents[2]
    command = [
        sys.executable,
        "-m",
        "ramac_jax",
        "sweep",
        *ON_PLAIN,
        "--out",
        str(out),
    ]
    command += (
        "--grid actor_learning_rate=1e-3,1e-2 --num-seeds 1 --num-steps 200".split()
    )
    command += "--log-every 50 --save-every 10".split()
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "programs"),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    with subprocess.Popen(
        command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        saved = out / "population" / "only" / "chunk-0" / "training"
        while process.poll() is None and not any(
            x.name.isdigit() for x in (saved.iterdir() if saved.is_dir() else ())
        ):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said = process.communicate()[1]
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert said.count("everything is saved, and the same call resumes the run\n") == 1
    assert said.splitlines()[-1].startswith("SIGTERM after update ")
    assert record_of(out)["status"] == "interrupted"
    subprocess.run(command, cwd=root, env=environment, check=True)
    assert record_of(out)["status"] == "finished"
    assert [x["step"] for x in table(out / "metrics.csv")] == [
        str(step) for step in (50, 100, 150, 200) for _ in range(2)
    ]
