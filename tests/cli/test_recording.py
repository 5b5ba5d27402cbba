"""Tables, log streams and progress of a population, from histories made up here."""

import contextlib
import csv
import io

import numpy as np
import pytest
from rich.console import Console

import ramac_jax as rj
from ramac_jax.cli import console
from ramac_jax.cli.options.command import LogOptions
from ramac_jax.cli.runs import recording
from ramac_jax.cli.runs.csv_tables import CsvTable
from ramac_jax.cli.runs.recording import (
    LogStream,
    details_of,
    labels_of,
    status_of,
    title_of,
)
from ramac_jax.population import History, Progress, cross

MEMBERS = cross(rj.grid(rj.Hyperparams(), risk_weight=(0.1, 0.2)), [5, 6])
COLUMNS = {"setting": MEMBERS.setting, "seed": MEMBERS.seed}
NAMES = [f"setting-{s}-seed-{n}" for s in (0, 1) for n in (5, 6)]


def rows(steps, **columns):
    """Rows as a history has them, each column [rows, 4] from its first numbers."""
    return {"step": np.array(steps)} | {
        name: np.array([[first + member for member in range(4)] for first in values])
        for name, values in columns.items()
    }


def metrics(steps, made=None):
    """Losses 10 x step + member; `made` is the updates of each in the last row."""
    table = rows(steps, loss=[10.0 * x for x in steps], risk_value=[0.0] * len(steps))
    member_step = np.repeat(np.array(steps)[:, None], 4, axis=1)
    if made is not None:
        member_step[-1] = made
    return table | {"member_step": member_step}


def evaluations(steps):
    """Columns in the order in which Orbax gives them back."""
    names = ("cvar", "failed", "mean", "risky_share")
    return rows(steps, **{name: [x / 2 for x in steps] for name in names})


def progress(table=None, seen=None, **changes):
    table = {} if table is None else table
    step = int(table["step"][-1]) if table else 0
    standing = Progress(
        phase="training",
        step=step,
        num_steps=8,
        updates_per_s=100.0,
        members=MEMBERS,
        history=History(table, {} if seen is None else seen),
        chunk=0,
        num_chunks=1,
    )
    return standing._replace(**changes)


def lines(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def test_a_table_has_a_line_for_each_row_and_member(tmp_path):
    table = CsvTable(tmp_path / "metrics.csv")
    table.update(("", 0), COLUMNS, {})
    assert not (tmp_path / "metrics.csv").exists()
    table.update(("", 0), COLUMNS, metrics([2]))
    table.update(("", 0), COLUMNS, metrics([2]))  # nothing new
    table.update(("", 0), COLUMNS, metrics([2, 4]))
    assert lines(tmp_path / "metrics.csv") == [
        ["step", "setting", "seed", "loss", "risk_value"],
        *(
            [
                str(step),
                str(s),
                str(n),
                str(10.0 * step + 2 * s + n - 5),
                f"{2.0 * s + n - 5}",
            ]
            for step in (2, 4)
            for s in (0, 1)
            for n in (5, 6)
        ),
    ]


def test_the_columns_of_evaluations_have_one_order(tmp_path):
    table = CsvTable(tmp_path / "evaluations.csv")
    table.update(("", 0), COLUMNS, evaluations([2]))
    head = lines(tmp_path / "evaluations.csv")[0]
    assert head == ["step", "setting", "seed", "mean", "cvar", "risky_share", "failed"]


def test_each_process_writes_a_table_from_its_first_row(tmp_path):
    path = tmp_path / "metrics.csv"
    first = CsvTable(path)
    first.update(("rung-0", 0), COLUMNS, metrics([2, 4]))
    first.update(("rung-1", 0), COLUMNS, metrics([6]))
    whole = path.read_bytes()
    first.update(("rung-1", 0), COLUMNS, metrics([6, 8]))  # no checkpoint knows of it
    again = CsvTable(path)
    again.update(("rung-0", 0), COLUMNS, metrics([2, 4]))
    assert [x[0] for x in lines(path)[1:]] == ["2"] * 4 + ["4"] * 4
    again.update(("rung-1", 0), COLUMNS, metrics([6]))
    assert path.read_bytes() == whole
    CsvTable(path).update(("rung-0", 0), COLUMNS, {})
    assert not path.exists()


class Sent:
    """A sink that remembers, and when it was opened and closed."""

    def __init__(self):
        self.opened, self.rows, self.closed = [], [], 0

    @contextlib.contextmanager
    def open(self, resumed_at):
        self.opened.append(resumed_at)
        yield (self,)
        self.closed += 1

    def write(self, step, members, values):
        self.rows.append((step, members, {k: x.tolist() for k, x in values.items()}))


def test_a_log_stream_sends_what_is_new_since_it_was_opened():
    sent = Sent()
    known = progress(metrics([2, 4]), evaluations([4]))
    stream = LogStream(known, sent.open)
    assert sent.opened == [4]
    stream.update(NAMES, known)
    assert sent.rows == []
    stream.update(NAMES, progress(metrics([2, 4, 6]), evaluations([4])))
    stream.update(NAMES, progress(metrics([2, 4, 6]), evaluations([4, 6])))
    (first, second) = sent.rows
    assert first == (
        6,
        NAMES,
        {
            "loss": [60.0, 61.0, 62.0, 63.0],
            "risk_value": [0.0, 1.0, 2.0, 3.0],
            "member_step": [6] * 4,
        },
    )
    assert second[0] == 6
    assert second[2]["cvar"] == [3.0, 4.0, 5.0, 6.0]
    assert sent.closed == 0
    stream.close()
    assert sent.closed == 1


def test_a_log_stream_sends_no_step_after_a_later_one():
    sent = Sent()
    stream = LogStream(progress(), sent.open)
    stream.update(NAMES, progress(metrics([2, 4, 6]), evaluating=4))
    assert [x[0] for x in sent.rows] == [2, 4]
    stream.update(
        NAMES, progress(metrics([2, 4, 6, 8]), evaluations([4]), evaluating=6)
    )
    stream.update(NAMES, progress(metrics([2, 4, 6, 8]), evaluations([4, 6])))
    kinds = [(step, "cvar" in table) for step, _, table in sent.rows]
    assert kinds == [(2, 0), (4, 0), (4, 1), (6, 0), (6, 1), (8, 0)]


def test_a_log_stream_from_the_start_resumes_nothing_and_at_the_end_opens_nothing():
    sent = Sent()
    stream = LogStream(progress(), sent.open)
    stream.update(NAMES, progress(metrics([2])))
    assert (sent.opened, [x[0] for x in sent.rows]) == ([None], [2])
    done = progress(metrics([4, 8]))
    LogStream(done, sent.open).update(NAMES, done)
    assert sent.opened == [None]
    assert len(sent.rows) == 1


def test_the_status_has_the_speed_and_the_best_by_its_episodes():
    seen = evaluations([2, 4])
    seen["cvar"][1] = [1.0, np.nan, 7.25, 3.0]
    table = metrics([2, 4])
    assert status_of(progress(table, seen), NAMES) == (
        "100 updates/s, 400 agent-updates/s, best setting-1-seed-5: CVaR 7.25"
    )


def test_the_status_goes_by_the_critics_where_no_episode_is_known():
    table = metrics([2, 4])
    table["risk_value"][1] = [np.nan, -1.5, -3.0, np.nan]
    seen = evaluations([2])
    seen["cvar"][:] = np.nan
    for figures in (None, seen):
        assert status_of(progress(table, figures, updates_per_s=12345.6), NAMES) == (
            "1.23e+04 updates/s, 4.938e+04 agent-updates/s, "
            "best setting-0-seed-6: estimated value -1.5"
        )


def test_frozen_members_are_counted_and_do_not_work():
    table = metrics([2, 4], made=[4, 3, 1, 4])
    seen = evaluations([4])
    seen["cvar"][0] = [1.0, 9.0, 8.0, 2.0]  # of what the frozen ones were
    assert status_of(progress(table, seen), NAMES) == (
        "100 updates/s, 200 agent-updates/s, best setting-1-seed-6: CVaR 2, 2 frozen"
    )


def test_before_the_first_updates_there_is_no_speed():
    assert status_of(progress(updates_per_s=np.nan), NAMES) == "compiling"


def test_a_stage_that_was_done_before_does_not_compile():
    table = metrics([2, 4])
    done = progress(table, updates_per_s=np.nan)._replace(step=4, num_steps=4)
    assert status_of(done, NAMES) == "done before"


def test_no_member_is_best_without_a_critic():
    table = metrics([2, 4])
    table["risk_value"][:] = 0.0  # as without a critic
    assert status_of(progress(table), NAMES) == "100 updates/s, 400 agent-updates/s"


def test_members_and_stages_have_names():
    assert labels_of(COLUMNS) == NAMES
    assert labels_of({"seed": MEMBERS.seed[:1]}) == ["seed-5"]
    assert title_of("", progress()) == "training"
    third = progress(phase="pretraining", chunk=2, num_chunks=3)
    assert title_of("rung-0", third) == "rung-0 pretraining 3/3"


@pytest.fixture
def screen(monkeypatch):
    """The text of a terminal that is wide enough for every line."""
    written = io.StringIO()
    monkeypatch.setattr(
        console, "CONSOLE", Console(file=written, width=200, force_terminal=True)
    )
    return written


@pytest.fixture
def sinks(monkeypatch):
    """The sinks of each stage, by the folder that they would write to."""
    opened = {}

    def open_sinks(folder, logs, name, config, step):
        opened[folder] = (name, Sent())
        return opened[folder][1].open(step)

    monkeypatch.setattr(recording, "open_sinks", open_sinks)
    return opened


def record(out, *reports):
    """Report these (stage, progress), as a search in a folder does."""
    logs = LogOptions()
    with recording.recording(out, logs, lambda x: COLUMNS, {}) as report:
        for name, standing in reports:
            report(name, standing)


def test_a_recording_writes_every_stage(tmp_path, screen, sinks):
    out = tmp_path / "search"
    out.mkdir()
    frozen = metrics([2, 4], made=[4, 4, 3, 4])
    record(
        out,
        ("rung-0", progress(metrics([3]), phase="pretraining")),
        ("rung-0", progress()),
        ("rung-0", progress(metrics([2]))),
        ("rung-0", progress(frozen)),
        ("rung-0", progress(frozen, evaluations([4]))),
        ("rung-1", progress()),
        ("rung-1", progress(metrics([6], made=[6, 6, 3, 6]))),
        ("rung-1", progress(chunk=1)),
    )
    table = lines(out / "metrics.csv")
    assert [x[0] for x in table[1:]] == ["2"] * 4 + ["4"] * 4 + ["6"] * 4
    assert [x[0] for x in lines(out / "evaluations.csv")] == ["step"] + ["4"] * 4
    assert {place: name for place, (name, _) in sinks.items()} == {
        out / "logs" / "rung-0": "search rung-0",
        out / "logs" / "rung-1": "search rung-1",
        out / "logs" / "rung-1-1": "search rung-1",
    }
    table = [[x[0] for x in sent.rows] for _, sent in sinks.values()]
    assert table == [[2, 4, 4], [6], []]
    assert all(sent.closed == 1 for _, sent in sinks.values())
    said = screen.getvalue()
    warning = "warning: setting-1-seed-5 diverged after update 3 of training: it keeps"
    assert said.count("warning") == said.count(warning) == 1


def test_a_run_alone_has_its_sinks_in_its_own_folder(tmp_path, screen, sinks):
    record(tmp_path, ("", progress()), ("", progress(metrics([2]))))
    assert list(sinks) == [tmp_path]
    assert "best setting-1-seed-6: estimated value 3" in screen.getvalue()


def test_only_the_first_host_records(tmp_path, screen, sinks, monkeypatch):
    monkeypatch.setattr(recording, "is_first_host", lambda: False)
    record(tmp_path, ("", progress()), ("", progress(metrics([2], made=[2, 2, 2, 1]))))
    assert list(tmp_path.iterdir()) == []
    assert sinks == {}
    assert "diverged" not in screen.getvalue()
    assert "training" not in screen.getvalue()


def test_the_details_are_losses_and_the_last_evaluation():
    rows_ = metrics([2, 4], made=[4, 3, 4, 4])
    rows_["critic_loss"] = rows_.pop("loss")
    rows_["critic_loss"][-1] = [1.0, 2.0, 3.0, np.nan]
    seen = evaluations([4])
    seen["mean"][0], seen["cvar"][0] = [5.0, 7.0, np.nan, 6.0], [1.0, 2.0, 3.0, 2.0]
    assert details_of(progress(rows_, seen)) == (
        "critic_loss 2, evaluation at 4: mean 6, CVaR 2, 1 diverged"
    )
    assert details_of(progress()) == ""


def test_without_a_terminal_each_evaluation_has_a_line(tmp_path, sinks, capsys):
    record(
        tmp_path,
        ("", progress(metrics([2]), evaluations([2]))),  # of an earlier process
        ("", progress(metrics([2, 4]), evaluations([2]))),
        ("", progress(metrics([2, 4]), evaluations([2, 4]))),
        ("", progress(metrics([2, 4]), evaluations([2, 4]))),
    )
    said = capsys.readouterr().err
    assert said.count("evaluation at 4") == 1 and "evaluation at 2:" not in said
