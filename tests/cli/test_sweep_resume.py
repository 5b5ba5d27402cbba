"""Sweeps that end early and resume, and folders that refuse a sweep."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ramac_jax.cli import sweep
from ramac_jax.cli.runs import studies
from ramac_jax.cli.runs.csv_tables import CsvTable
from ramac_jax.cli.runs.evaluator import Evaluator
from ramac_jax.folders import lock_folder
from tests.cli.sweeps import (
    FILES,
    HALVING,
    ON_PLAIN,
    RATES,
    SEARCH,
    STUDIED,
    assert_same,
    contents,
    exit_status,
    read_states,
    record_of,
    table,
    visible,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning:minari"),
    pytest.mark.usefixtures("sweep_datasets", "toys"),
]


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


def written_rows(leg, number):
    """When the table hears of so many rows of a leg."""
    return lambda self, found, columns, rows: (
        found[0] == leg and len(rows.get("step", ())) == number
    )


def second_play():
    """When agents are played for the second time, those watched not counted."""
    count = itertools.count(1)
    return lambda *args, progress=False, **changed: progress and next(count) == 2


def scoring(*args, progress=False, **changed):
    return progress and not changed


MOMENTS = {
    "the first rung": (
        CsvTable,
        "update",
        written_rows("round-000-rung-0-variant-1", 1),
        Died,
    ),
    "the selection": (Evaluator, "play", second_play(), Died),
    "the second rung": (
        CsvTable,
        "update",
        written_rows("round-000-rung-1-variant-0", 2),
        Died,
    ),
    "the scores": (Evaluator, "play", scoring, KeyboardInterrupt),
    "the best": (
        studies,
        "write_json",
        lambda path, _: path.parent.name == "best",
        Died,
    ),
}


def test_a_sweep_interrupted_again_and_again_ends_like_an_undisturbed_one(
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
        assert record_of(out)["status"] == "interrupted", moment
        assert (out / "population").is_dir()
    sweep.main(command)
    assert visible(out) == STUDIED
    for name in FILES - {"sweep.json", "agents", "best"}:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    for name in ("agents/1", "agents/4", "best"):
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
        ([*command, "--batch", "2"], "run with options.batch 6, not 2: give 6, or"),
        (
            [*command, "--num-seeds", "2"],
            "run with options.num_seeds 3, not 2: give 3, or",
        ),
        (
            [*command, "--objective", "mean"],
            'with options.objective "cvar", not "mean": give',
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


def test_a_signal_saves_the_run_and_the_same_command_resumes(tmp_path):
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
