"""The table of the rounds of a search on the terminal."""

import time

import pytest

from ramac_jax.cli.options.sweep import parse
from ramac_jax.cli.runs.live_rounds import LiveRounds
from ramac_jax.cli.runs.selection import Selection
from ramac_jax.cli.runs.tried import Tried
from ramac_jax.search import SearchResult, TrialResult


def trial(number, state, *scores, reason=None):
    tried = Tried(number, f"risk_weight=0.{number}", 40, {}, {}, [])
    return TrialResult(
        number=number,
        setting={"risk_weight": number / 10},
        state=state,
        scores=scores,
        feasible=True,
        retry_of=None,
        attributes={"tried": tried._asdict()} | ({"reason": reason} if reason else {}),
    )


def rounds(monkeypatch, clock, *, objective="cvar", total=64, ended=0):
    """A table whose clock shows these seconds one after the other."""
    monkeypatch.setattr(time, "monotonic", iter(clock).__next__)
    words = f"--task hopper-medium-replay --out x --num-seeds 2 --objective {objective}"
    known = SearchResult([trial(x, "complete", 0.0) for x in range(ended)], [])
    return LiveRounds(Selection.of(parse(words.split())), total, known)


def test_a_round_shows_its_counts_rate_best_setting_and_the_time_left(monkeypatch):
    """Four trials in 10 seconds leave 12.5 for five; a lost one runs again as one."""
    live = rounds(monkeypatch, [0.0, 10.0], total=10, ended=1)
    live.trained(updates=6000, seconds=4.0)
    best = trial(1, "complete", 1250.125)
    others = [trial(2, "complete", 3.0), trial(3, "complete", 2.0)]
    failed = [trial(6, "fail", reason="it diverged"), trial(7, "fail")]
    trials = [best, *others, trial(4, "pruned"), trial(5, "running"), *failed]
    line = live.line(7, SearchResult(trials, [best]))
    assert line.split("  ")[-1] == "1: risk_weight=0.1"
    assert line.split()[:8] == "7 5 of 10 1 1 1 1,500".split()
    assert line.split()[8:10] == ["0:00:12", "1250"]
    assert live.header().split()[:5] == [
        "round",
        "ended",
        "pruned",
        "failed",
        "running",
    ]


def test_the_columns_of_all_lines_end_below_their_titles(monkeypatch):
    live = rounds(monkeypatch, range(3), total=1000)
    live.trained(updates=10, seconds=1.0)
    ends = [
        "ended",
        "pruned",
        "failed",
        "running",
        "agent-updates/s",
        "left",
        "CVaR 0.1",
    ]
    places = [live.header().index(x) + len(x) for x in ends]
    for count, number in ((1, 0), (999, 123)):
        trials = [trial(x, "complete", 12.5) for x in range(count)]
        line = live.line(number, SearchResult(trials, trials[:1]))
        assert all(line[x - 1] != " " and line[x] == " " for x in places)
    assert len(live.header()) < 100


def test_two_objectives_show_the_highest_cvar_of_the_front(monkeypatch):
    live = rounds(monkeypatch, range(9), objective="mean,cvar")
    front = [trial(1, "complete", 9.0, 1.0), trial(2, "complete", 8.0, 2.0)]
    assert live.line(0, SearchResult(front, front)).endswith(" 2  2: risk_weight=0.2")
    assert "CVaR 0.1  best so far" in live.header()


@pytest.mark.parametrize(("total", "ended"), [(2, 0), (64, 2)])
def test_no_time_is_left_at_the_end_or_known_before_a_trial(monkeypatch, total, ended):
    live = rounds(monkeypatch, range(9), total=total, ended=ended)
    trials = [trial(1, "complete", 9.0), trial(2, "pruned")]
    assert (
        ":0" not in live.line(0, SearchResult(trials, trials[:1])).split("1: risk")[0]
    )
