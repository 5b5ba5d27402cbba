"""Progress where stderr is no terminal: lines, their times made up."""

import pytest

from ramac_jax.cli import console, progress


@pytest.fixture
def clock(monkeypatch):
    """Hold the clock, which tests move by hand."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_a_task_has_lines_at_its_start_at_its_end_and_every_half_minute(clock, capsys):
    display = progress.PlainDisplay()
    task = display.add("training", 1000)
    assert lines(capsys) == ["training: 1,000 updates"]
    for seconds, completed in ((0, 0), (20, 100), (30, 200), (45, 300), (59, 400)):
        clock[0] = 100.0 + seconds
        display.update(task, completed, "for a terminal", f"loss {completed}")
    assert lines(capsys) == [
        "training: 200 of 1,000 updates, 6.67 updates/s, 0:02:00 left, loss 200"
    ]
    clock[0] = 160.0
    display.update(task, 500)
    assert lines(capsys) == [
        "training: 500 of 1,000 updates, 10 updates/s, 0:00:50 left"
    ]
    clock[0] = 180.0
    display.update(task, 1000, details="loss 1")
    display.update(task, 1000, details="loss 1")
    assert lines(capsys) == [
        "training: 1,000 of 1,000 updates, 12.5 updates/s, 0:01:20 taken, loss 1"
    ]


def test_a_resumed_task_counts_its_own_work_alone(clock, capsys):
    display = progress.PlainDisplay()
    task = display.add("training", 1000)
    display.update(task, 900)
    clock[0] += 10.0
    display.update(task, 1000)
    assert lines(capsys)[-1].startswith(
        "training: 1,000 of 1,000 updates, 10 updates/s"
    )


def test_a_task_that_was_done_before_has_no_rate(clock, capsys):
    display = progress.PlainDisplay()
    display.update(display.add("training", 8), 8)
    assert lines(capsys)[-1] == "training: 8 of 8 updates, 0:00:00 taken"


def test_the_lines_leave_at_once(monkeypatch):
    calls = []
    monkeypatch.setattr("builtins.print", lambda *_, **options: calls.append(options))
    progress.PlainDisplay().add("training", 8)
    assert calls[0]["flush"] is True


@pytest.mark.parametrize(("terminal", "kind"), [(True, "Live"), (False, "Plain")])
def test_the_display_suits_stderr(terminal, kind, monkeypatch):
    made = console.Console(force_terminal=terminal, stderr=True)
    monkeypatch.setattr(console, "CONSOLE", made)
    with progress.open_progress() as display:
        assert type(display).__name__ == f"{kind}Display"
    with progress.open_progress(disable=True) as display:
        assert isinstance(display, progress.NoDisplay)


def test_news_has_a_line_at_once(clock, capsys):
    display = progress.PlainDisplay()
    task = display.add("training", 1000)
    display.update(task, 100)
    clock[0] += 1.0
    display.update(task, 200, details="evaluation at 200: mean 3", news=True)
    assert lines(capsys)[1:] == [
        "training: 200 of 1,000 updates, 100 updates/s, 0:00:08 left, evaluation at "
        "200: mean 3"
    ]


def test_of_the_finished_bars_the_last_stay_and_every_other_one():
    """Rounds of a search would push the running bar out of the terminal."""
    bars = progress.LiveProgress()
    display = progress.LiveDisplay(bars)
    running = display.add("running", 3)
    for number in range(20):
        display.update(display.add(f"round {number}", 2), 2)
    last = display.add("last", 2)
    seen = [task.description for task in bars.tasks if task.visible]
    rounds = [f"round {number}" for number in range(14, 20)]
    assert seen == ["running", *rounds, "last"]
    assert bars.tasks[running].visible and bars.tasks[last].visible
