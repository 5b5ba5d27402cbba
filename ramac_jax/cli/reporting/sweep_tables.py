"""The ranking of a sweep, in Markdown, for a terminal and for JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from ramac_jax.cli.reporting.tables import cell, pipes, rounded
from ramac_jax.evaluation import Ranked
from ramac_jax.evaluation.intervals import OVER_SEEDS, UNKNOWN

COLUMNS = {
    "cvar": ("CVaR", 1.0),
    "mean": ("mean", 1.0),
    "risky_share": ("risky steps, %", 100.0),
}
"""Columns of a score: the title, and the factor on the number."""


def to_json(ranked: Sequence[Ranked]) -> list[dict[str, Any]]:
    """Return the ranking for strict JSON, with None for nan."""
    return [
        entry._asdict()
        | {
            "chosen_by": None if math.isnan(entry.chosen_by) else entry.chosen_by,
            "score": {name: x.to_json() for name, x in entry.score.items()},
        }
        for entry in ranked
    ]


def cells(entry: Ranked, between: str = " ") -> list[str]:
    """Return the cells of a row, in the order of `titles`."""
    chosen_by = cell(UNKNOWN._replace(value=entry.chosen_by), 1.0)
    return [
        chosen_by,
        *(cell(entry.score[k], factor, between) for k, (_, factor) in COLUMNS.items()),
    ]


def titles(level: float) -> list[str]:
    """Return the titles of the columns, with the level of the CVaR."""
    score = [t.replace("CVaR", f"CVaR {level:g}") for t, _ in COLUMNS.values()]
    return ["selection", *score]


def called(setting: int, label: str) -> str:
    """Return the name of a setting in tables and figures."""
    return f"{setting}: {label}"


def markdown(
    ranked: Sequence[Ranked],
    level: float,
    how: str,
    eliminated: Sequence[Mapping[str, Any]] = (),
    remarks: Sequence[str] = (),
) -> str:
    """Return the table and its notes in Markdown.

    Args:
      ranked: the settings, best first.
      level: of the CVaR.
      how: a sentence about the agents and episodes of the selection and the scores.
      eliminated: settings that a pruner stopped early, for a second table.
      remarks: sentences about the search.
    """
    head = ["rank", "setting", *titles(level), "diverged"]
    rows = [
        [str(place), called(*entry[:2]), *cells(entry), str(entry.frozen)]
        for place, entry in enumerate(ranked, start=1)
    ]
    explanation = (
        f"{how}\n\nBrackets: {OVER_SEEDS} that report. CVaR: the mean over the seeds "
        "of each one's own, without the bias of few episodes. A setting with a "
        "selection agent that diverged or has no finite figure comes after every one "
        "without."
    )
    notes = [
        f"- Setting {entry.setting}: its score leaves out {entry.unscored} of its "
        "agents, without a finite figure.\n"
        for entry in ranked
        if entry.unscored
    ]
    parts = [pipes(head, rows), explanation, "".join(notes)]
    if eliminated:
        left_out = [
            [
                called(x["setting"], x["label"]),
                f"{x['num_steps']:,}",
                rounded({"value": x["chosen_by"]}, 1.0)[0],
            ]
            for x in eliminated
        ]
        parts.append("Left out on the way, by the figures of the same selection:")
        parts.append(pipes(["setting", "after updates", "selection"], left_out))
    parts += remarks
    return "\n\n".join(part for part in parts if part).rstrip() + "\n"


def terminal(ranked: Sequence[Ranked], level: float, most: int = 20) -> Table:
    """Return the first `most` rows of the table, narrow enough for a terminal."""
    table = Table(title="score [95 % over seeds]", caption_justify="left")
    table.add_column("setting", overflow="fold")  # the only column that may shrink
    for title in titles(level):
        table.add_column(title, no_wrap=True)
    for entry in ranked[:most]:
        name = called(*entry[:2]) + f" ({entry.frozen} diverged)" * bool(entry.frozen)
        table.add_row(*map(escape, (name, *cells(entry, "\n"))))
    if len(ranked) > most:
        table.caption = f"and {len(ranked) - most} more"
    return table
