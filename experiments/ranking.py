"""Rank the settings of a sweep by some seeds, and score them by the others.

The best of many noisy figures is partly luck. So the agents that choose a setting do
not tell its worth: the order comes from the selection alone, the scores from the rest.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats
from rich.markup import escape
from rich.table import Table

from experiments.tables import told
from ramac_jax.validation import check_names

MEASURES = ("cvar", "mean")  # to rank by: higher is better
COLUMNS = {
    "cvar": ("CVaR", 1.0),
    "mean": ("mean", 1.0),
    "risky_share": ("risky steps, %", 100.0),
}
"""What the tables show of a score: its title, and the unit in which it is told."""
QUANTILE = 0.975  # of Student's t, for intervals of 95 %


class Interval(NamedTuple):
    """A mean over seeds and its bounds, NaN where there is nothing to tell it from."""

    value: float
    low: float
    high: float


class Ranked(NamedTuple):
    """A setting of the sweep at its place in the ranking."""

    setting: int
    label: str
    chosen_by: float  # mean of the finite figures of its selection agents
    score: dict[str, Interval]  # of its scoring agents, for each of `COLUMNS`
    frozen: int  # agents that diverged, of all its seeds
    unscored: int  # scoring agents without a finite figure, so left out of the score


def mean_interval(values: np.ndarray) -> Interval:
    """Mean of the finite values [K] of K seeds, with Student's t 95 % interval.

    It speaks of agents that other seeds would train. One value alone has no bounds.
    """
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return Interval(math.nan, math.nan, math.nan)
    mean = float(finite.mean())
    if finite.size == 1:
        return Interval(mean, math.nan, math.nan)
    quantile = scipy.stats.t.ppf(QUANTILE, finite.size - 1)
    reach = float(quantile * finite.std(ddof=1) / math.sqrt(finite.size))
    return Interval(mean, mean - reach, mean + reach)


def rank(
    labels: Mapping[int, str],
    selection: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray],
    frozen: np.ndarray,
    by: str,
) -> list[Ranked]:
    """Order the settings, best first, by the mean over their selection agents.

    A setting with a selection agent that diverged or has no finite figure comes after
    every one without. Ties go to the lower number.

    Args:
      labels: number of each of S settings -> its label; in the order of all rows.
      selection: measure -> what the agents of the first K seeds came to [S, K].
      scores: measure -> what the scoring agents came to, for each of `COLUMNS`: those
        of the other seeds [S, N - K], or of the only one [S, 1].
      frozen: which agents diverged [S, N], the selection seeds first.
      by: one of `MEASURES`.

    Raises `InputError` for another measure.
    """
    check_names("measure", [by], MEASURES)
    chosen_by = selection[by]
    sound = np.isfinite(chosen_by) & ~frozen[:, : chosen_by.shape[1]]
    finite = np.isfinite(np.stack([scores[name] for name in COLUMNS])).all(axis=0)
    ranked = [
        Ranked(
            setting=setting,
            label=label,
            chosen_by=mean_interval(chosen_by[row]).value,
            score={name: mean_interval(scores[name][row]) for name in COLUMNS},
            frozen=int(frozen[row].sum()),
            unscored=int(np.sum(~finite[row])),
        )
        for row, (setting, label) in enumerate(labels.items())
    ]

    def order(row: int) -> tuple[bool, float, int]:
        value = ranked[row].chosen_by
        worst = math.inf if math.isnan(value) else -value
        return not sound[row].all(), worst, ranked[row].setting

    return [ranked[row] for row in sorted(range(len(ranked)), key=order)]


def known(interval: Interval) -> dict[str, float | None]:
    """The interval as strict JSON can hold it."""
    return {k: None if math.isnan(x) else x for k, x in interval._asdict().items()}


def to_json(ranked: Sequence[Ranked]) -> list[dict[str, Any]]:
    """The ranking as strict JSON can hold it: None for what is not known."""
    return [
        entry._asdict()
        | {
            "chosen_by": None if math.isnan(entry.chosen_by) else entry.chosen_by,
            "score": {name: known(x) for name, x in entry.score.items()},
        }
        for entry in ranked
    ]


def cell(interval: Interval, unit: float, between: str = " ") -> str:
    """A figure and its bounds, where it has any."""
    value, *bounds = told(known(interval), unit)
    has_bounds = math.isfinite(interval.low)
    return f"{value}{between}[{', '.join(bounds)}]" if has_bounds else value


def cells(entry: Ranked, between: str = " ") -> list[str]:
    """The figures of a row, as `titles` names them."""
    chosen_by = cell(Interval(entry.chosen_by, math.nan, math.nan), 1.0)
    return [
        chosen_by,
        *(cell(entry.score[k], unit, between) for k, (_, unit) in COLUMNS.items()),
    ]


def titles(level: float) -> list[str]:
    """The titles of a row's figures, the level with the CVaR."""
    score = [t.replace("CVaR", f"CVaR {level:g}") for t, _ in COLUMNS.values()]
    return ["selection", *score]


def called(entry: Ranked) -> str:
    """What tables and figures call a setting."""
    return f"{entry.setting}: {entry.label}"


def markdown(ranked: Sequence[Ranked], level: float, how: str) -> str:
    """The table and its notes; `how` says who chose and who scored."""
    head = ["rank", "setting", *titles(level), "diverged"]
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    for place, entry in enumerate(ranked, start=1):
        name = called(entry).replace("|", r"\|")
        row = [str(place), name, *cells(entry), str(entry.frozen)]
        lines.append(" | ".join(row))
    table = "\n".join(f"| {line} |" for line in lines)
    said = (
        f"{how}\n\nBrackets: Student's t 95 % intervals over the scoring "
        "seeds. A setting with a selection agent that diverged or has no finite figure "
        "comes after every one without."
    )
    notes = [
        f"- Setting {entry.setting}: its score leaves out {entry.unscored} of its "
        "agents, without a finite figure.\n"
        for entry in ranked
        if entry.unscored
    ]
    return "\n\n".join([table, said, "".join(notes)]).rstrip() + "\n"


def terminal(ranked: Sequence[Ranked], level: float, most: int = 20) -> Table:
    """The first rows of the table, narrow enough for a terminal."""
    table = Table(title="score [95 % over seeds]", caption_justify="left")
    table.add_column("setting", overflow="fold")  # alone gives way where it is narrow
    for title in titles(level):
        table.add_column(title, no_wrap=True)
    for entry in ranked[:most]:
        name = called(entry) + f" ({entry.frozen} diverged)" * bool(entry.frozen)
        table.add_row(*map(escape, (name, *cells(entry, "\n"))))
    if len(ranked) > most:
        table.caption = f"and {len(ranked) - most} more"
    return table
