"""Rows of a comparison that another comparison has scored, perhaps elsewhere."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ramac_jax.cli.options.compare import Plan
from ramac_jax.cli.runs.comparison import Row
from ramac_jax.cli.runs.stored import read_record
from ramac_jax.errors import InputError, first_line
from ramac_jax.evaluation import Interval

RECORD = "comparison.json"


class Joined(NamedTuple):
    """Rows by task and agent, and the detectors' errors by task."""

    rows: Mapping[tuple[str, str], Row]
    false_positives: Mapping[str, Mapping[str, float]]

    def has(self, plan: Plan) -> bool:
        """Whether the agent of a plan is scored already."""
        return (plan.task, plan.agent) in self.rows


def read_joined(folders: Sequence[Path], plans: Sequence[Plan]) -> Joined:
    """Return the rows of these plans that are in comparison.json of the folders.

    Raises `InputError` for a file that cannot be read, a row in two folders, and a row
    of other numbers of seeds, episodes or updates than its plan's.
    """
    rows: dict[tuple[str, str], Row] = {}
    rates: dict[str, Mapping[str, float]] = {}
    asked = {(plan.task, plan.agent): plan for plan in plans}
    for path in (folder / RECORD for folder in folders):
        record = read_record(path)
        try:
            found = [row_of(entry) for entry in record["rows"]]
            rates |= record["false_positive_rates"]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(
                f"{path} is no record of a comparison ({first_line(error)}): restore "
                "the file, or join another folder"
            ) from None
        for row in found:
            name = row.task, row.agent
            if name not in asked:
                continue
            if name in rows:
                raise InputError(
                    f"{path} has {row.agent} on {row.task}, as another folder of "
                    "--join: leave one out"
                )
            check_row(row, asked[name], path)
            rows[name] = row
    return Joined(rows, rates)


def row_of(entry: Mapping[str, Any]) -> Row:
    """Return a row of comparison.json."""
    figures = {
        name: Interval(**{k: math.nan if x is None else x for k, x in figure.items()})
        for name, figure in entry["figures"].items()
    }
    fields = {name: entry[name] for name in Row._fields}
    return Row(**fields | {"figures": figures})


def check_row(row: Row, plan: Plan, path: Path) -> None:
    """Raise `InputError` where a row was scored or trained in another way."""
    training, evaluation = plan.options.training, plan.options.evaluation
    score = row.scores[0]
    facts = {
        "num_seeds": (row.num_seeds, training.num_seeds),
        "episodes": (row.num_episodes, evaluation.episodes),
        "bc_steps": (score["bc_updates"], training.bc_steps),
        "num_steps": (score["updates"], training.num_steps),
        "level": (level_of(score), f"{evaluation.eval_level:g}"),
    }
    for name, (found, wanted) in facts.items():
        if found != wanted:
            raise InputError(
                f"{path} has {row.agent} on {row.task} with {name} {found}, not "
                f"{wanted}: give the options of that comparison, or do not join it"
            )


def level_of(score: Mapping[str, Any]) -> str:
    """Return the level of the CVaR in a row of scores.csv."""
    (name,) = (name for name in score if name.startswith("cvar_"))
    return name.removeprefix("cvar_")


def check_data(joined: Joined, task: str, hashes: Sequence[str]) -> None:
    """Raise `InputError` where the joined rows of a task learned from other data.

    Args:
      joined: all rows.
      task: whose rows are checked.
      hashes: of the datasets of the agents that are trained here.
    """
    for (of_task, agent), row in joined.rows.items():
        if of_task == task and row.scores[0]["data_sha256"] != " ".join(hashes):
            raise InputError(
                f"--join has {agent} on {task} trained on data of another hash than "
                "those here: make the same data, or do not join it"
            )
