"""Sweeps in rounds: killed and resumed, shared, with two objectives, and refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import optuna
import pytest
from optuna.exceptions import StorageInternalError

from ramac_jax import InputError
from ramac_jax.cli import sweep
from ramac_jax.cli.options.sweep import parse
from ramac_jax.cli.options.train import (
    lasting_options,
    printed_settings,
    recorded_options,
)
from ramac_jax.cli.runs import rounds, study_trials
from ramac_jax.cli.runs.search import make_search
from ramac_jax.population import programs
from ramac_jax.search import SearchResult, TrialResult
from ramac_jax.search.engine import Worker
from ramac_jax.search.storage import quiet_optuna
from tests.cli.sweeps import (
    ON_TASK,
    STUDIED,
    assert_same,
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
ROOT = Path(sweep.__file__).parents[2]
RANGE = ["--range", "actor_learning_rate=1e-3..1"]
ROUNDS = "--sampler tpe --trials 5 --batch 2 --eval-every None".split()
TPE = [*ON_TASK, *ROUNDS, *RANGE]
TOYS = """
import sys
from ramac_jax.cli import sweep
from tests.cli.sweeps import toys

with toys():
    sweep.main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def undisturbed(sweep_datasets, toys, tmp_path_factory):
    """A search of three rounds, and how often its programs were lowered."""
    out, lowered = tmp_path_factory.mktemp("rounds") / "whole", []
    original = programs.Programs.lowered_advance.fget

    def counted(self):
        lowered.append(self.size)
        return original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs.Programs, "lowered_advance", property(counted))
        sweep.main([*TPE, "--out", str(out)])
    return out, lowered


def test_every_round_trains_in_the_program_of_the_first(undisturbed):
    """Two settings of three seeds: 6 members; a copy fills the last round."""
    out, lowered = undisturbed
    assert lowered == [6]
    assert len({(x["setting"], x["seed"]) for x in table(out / "metrics.csv")}) == 15
    effect = {"effect.png"}  # of the only parameter
    assert visible(out) == STUDIED - {"evaluations.csv"} | effect


def test_the_report_is_of_all_trials_and_best_is_the_first(undisturbed):
    out = undisturbed[0]
    record = record_of(out)
    assert [x["state"] for x in record["trials"]] == ["complete"] * 5
    told = {x["number"]: x["scores"][0] for x in record["trials"]}
    ranked = [x["setting"] for x in record["ranking"]]
    assert ranked == sorted(told, key=lambda x: (-told[x], x))
    best = json.loads((out / "best" / "run.json").read_text())
    assert best["setting"] == ranked[0]
    place = out / "agents" / str(ranked[0]) / "checkpoint"
    assert_same(read_states(place), read_states(out / "best" / "checkpoint"))
    rate = best["hyperparams"]["actor_learning_rate"]
    asked = record["trials"][ranked[0]]["setting"]["actor_learning_rate"]
    assert rate == pytest.approx(asked, rel=1e-6)


def test_a_killed_search_resumes_with_the_same_trials_and_numbers(
    undisturbed, tmp_path
):
    """Killed -9 while it trains the second round."""
    out = tmp_path / "killed"
    command = [sys.executable, "-W", "ignore", "-c", TOYS, *TPE, "--out", str(out)]
    optimised = os.environ.get("RAMAC_TEST_OPTIMISED") == "1"
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": str(int(not optimised)),
    }
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        saved = out / "population" / "round-001" / "chunk-0" / "training"
        while process.poll() is None and not saved.is_dir():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert record_of(out)["status"] == "running"
    sweep.main([*TPE, "--out", str(out)])
    whole = undisturbed[0]
    for name in ("agents.csv", "metrics.csv", "report.md"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    for number in range(5):
        place = Path("agents", str(number), "checkpoint")
        assert_same(read_states(out / place), read_states(whole / place))
    one, other = record_of(out), record_of(whole)
    for name in ("trials", "ranking", "settings", "status"):
        assert one[name] == other[name]


def test_processes_share_a_study_and_the_report_of_the_last_has_all(tmp_path, capsys):
    """The second one finds one trial left; the third one none."""
    url = f"sqlite:///{tmp_path}/shared.db"
    words = [*TPE, "--storage", url, "--study", "ours"]

    def run(name, trials):
        out = tmp_path / name
        sweep.main([*words, "--trials", str(trials), "--out", str(out)])
        return out, {int(x.name) for x in (out / "agents").glob("*")}

    assert run("first", 2)[1] == {0, 1}
    second, own = run("second", 3)
    assert own == {2}
    assert [x["number"] for x in record_of(second)["trials"]] == [0, 1, 2]
    best = json.loads((second / "best" / "run.json").read_text())
    report = (second / "report.md").read_text()
    assert best["setting"] == 2
    first_place = record_of(second)["ranking"][0]["setting"]
    said = f"Another process trained setting {first_place}, the best one" in report
    assert said == (first_place != 2)
    third, own = run("third", 3)
    assert own == set() and not (third / "best").exists()
    assert table(third / "agents.csv") == table(second / "agents.csv")
    capsys.readouterr()
    other = [*words, "--discount", "0.5", "--out", str(tmp_path / "other")]
    assert exit_status(sweep.main, *other) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "the study 'ours' in sqlite:///" in said
    assert "was made with options.hyperparams.discount 0.99, not 0.5: give" in said
    assert not (tmp_path / "other").exists()


def test_a_process_that_finds_nothing_to_report_says_who_trains(
    tmp_path, capsys, monkeypatch
):
    """Another process has the only trial, and lives."""
    monkeypatch.setattr(Worker, "others", lambda self: [])
    url = f"sqlite:///{tmp_path}/shared.db"
    words = [*TPE, "--storage", url, "--trials", "1"]
    options = parse([*words, "--out", str(tmp_path)])
    with rounds.opened_study(options, make_search(options)) as study, quiet_optuna():
        study.ask()
        sweep.main([*words, "--out", str(tmp_path / "out")])
    assert "Other processes still train: 0." in capsys.readouterr().err
    assert record_of(tmp_path / "out")["status"] == "finished"
    assert visible(tmp_path / "out") == {"sweep.json"}


def test_two_objectives_a_limit_and_widths_of_two_programs(tmp_path):
    words = "--sampler random --trials 4 --objective mean,cvar --max-risky 1"
    grid = ["--grid", "actor_widths=4,8x4", "actor_learning_rate=0.01,0.9"]
    sweep.main([*ON_TASK, *words.split(), *grid, "--out", str(tmp_path)])
    record = record_of(tmp_path)
    assert {len(x["scores"]) for x in record["trials"]} == {2}
    best = json.loads((tmp_path / "best" / "run.json").read_text())
    assert best["setting"] == record["ranking"][0]["setting"]
    trial = record["trials"][best["setting"]]
    assert best["options"]["actor_widths"] == trial["setting"]["actor_widths"]
    report = (tmp_path / "report.md").read_text()
    front = re.search(r"On the Pareto front: setting ([\d, ]+)\.", report)
    assert best["setting"] in map(int, front[1].split(", "))
    study = optuna.load_study(
        study_name="sweep", storage=f"sqlite:///{tmp_path}/study.db"
    )
    assert study.metric_names == ["mean return", "CVaR 0.1"]


def test_a_search_in_which_every_setting_is_too_risky_selects_none(tmp_path, capsys):
    words = "--sampler random --trials 2 --max-risky 0 --eval-every None"
    others = "--acting-temperature 1 --range actor_learning_rate=0.3..0.5"
    given = [*words.split(), *others.split()]
    sweep.main([*ON_TASK, *given, "--out", str(tmp_path)])
    assert not any(x["feasible"] for x in record_of(tmp_path)["trials"])
    assert not (tmp_path / "best").exists()
    assert "risky steps of 0 or less" in (tmp_path / "report.md").read_text()


def test_a_dry_run_refuses_what_the_run_refuses(tmp_path, capsys):
    for words in (["--sampler", "cmaes"], ["--storage", "x"], ["--study", ""]):
        given = [*TPE, *words, "--dry-run", "--out", str(tmp_path / "out")]
        assert exit_status(sweep.main, *given) == 2
    assert capsys.readouterr().err.count("error: ") == 3


def test_a_storage_that_is_lost_keeps_the_round(undisturbed, tmp_path, capsys):
    """It is lost while the second round is told; the same command resumes."""
    tell = optuna.Study.tell

    def lost(self, trial, *arguments, **options):
        if getattr(trial, "number", trial) == 3:
            raise StorageInternalError("the server is gone")
        return tell(self, trial, *arguments, **options)

    command = [*TPE, "--out", str(tmp_path)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optuna.Study, "tell", lost)
        assert exit_status(sweep.main, *command) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot reach the storage of study 'sweep' (the serv")
    assert line.endswith("what is trained is kept; the same call resumes the search")
    assert record_of(tmp_path)["status"] == "interrupted"
    sweep.main(command)
    whole = undisturbed[0]
    assert (tmp_path / "agents.csv").read_bytes() == (whole / "agents.csv").read_bytes()


@pytest.mark.parametrize(
    "function", ["live_rounds.LiveRounds.__init__", "study_figures.drawn_of"]
)
def test_a_storage_that_is_lost_before_and_after_the_rounds_is_one_line(
    function, tmp_path, capsys, monkeypatch
):
    def lost(*arguments, **options):
        raise StorageInternalError("the server is gone")

    monkeypatch.setattr(f"ramac_jax.cli.runs.{function}", lost)
    assert exit_status(sweep.main, *TPE, "--out", str(tmp_path)) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot reach sqlite:")
    assert line.endswith("what is trained is kept; the same command resumes the search")


def test_a_storage_that_refuses_at_the_start_says_nothing_of_what_is_trained(
    tmp_path, capsys, monkeypatch
):
    def refused(self, names):
        raise StorageInternalError("attempt to write a readonly database")

    monkeypatch.setattr(optuna.Study, "set_metric_names", refused)
    assert exit_status(sweep.main, *TPE, "--out", str(tmp_path)) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "(attempt to write a readonly database): check its address and rights"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--storage", "study.db"], "the storage is no URL: give one such as sqlite"),
        (
            ["--storage", "postgresql://me:secret@127.0.0.1:1/x"],
            "cannot reach postgresql+psycopg2://me:***@127.0.0.1:1/x (",
        ),
        (["--sampler", "grid"], "the sampler grid takes no range, and actor_learning"),
        (["--sampler", "cmaes"], "the sampler cmaes needs two ranges or more"),
        (
            ["--pruner", "halving", "--reduction-factor", "7"],
            "num_steps is 6 and the reduction factor 7: pruning needs two rungs",
        ),
    ],
)
def test_what_cannot_search_is_one_line_before_any_data(words, line, tmp_path, capsys):
    assert exit_status(sweep.main, *TPE, *words, "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {line}")
    assert said.count("\n") == 1
    assert "secret" not in said
    assert list(tmp_path.iterdir()) == []


def test_several_hosts_do_not_ask_one_sampler(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    options = parse([*TPE, "--out", "x"])
    with pytest.raises(InputError, match="--sampler asks from one process"):
        rounds.check_hosts(options)


def test_passwords_are_in_no_record():
    options = parse([*TPE, "--storage", "mysql://me:pass:w@rd@host/db", "--out", "x"])
    for record in (recorded_options(options), lasting_options(options)):
        assert record["storage"] == "mysql://me:***@host/db"
    assert options.search.storage == "mysql://me:pass:w@rd@host/db"
    assert "storage" not in printed_settings(options)["search"]


def test_the_report_says_what_ran_again_and_what_still_runs():
    def trial(number, state, retry_of=None):
        return TrialResult(number, {}, state, (), True, retry_of, {})

    trials = [trial(0, "fail"), trial(1, "running"), trial(2, "waiting", retry_of=0)]
    options = parse([*TPE, "--storage", "mysql://me:secret@host/db", "--out", "x"])
    assert study_trials.notes_of(SearchResult(trials, []), options) == [
        "Study 'sweep' in mysql://me:***@host/db, sampler tpe: 1 fail, 1 running, "
        "1 waiting.",
        "Trials that run again because their process was lost: 2 of 0.",
        "Other processes still train: 1.",
        "Not yet run again: 2.",
        "No trial is complete and within its constraints.",
    ]
