"""Rows of a comparison that another comparison has scored, perhaps elsewhere."""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ramac_jax.cli.options.compare import RECORD, Arguments, Plan
from ramac_jax.cli.runs.comparison import (
    NUMBER,
    FalsePositives,
    Row,
    figures_over_seeds,
    kinds_of_score,
    tune_factors,
)
from ramac_jax.cli.runs.stored import fits, read_record
from ramac_jax.errors import InputError, show
from ramac_jax.hyperparams import WEIGHT

COMPARISON = {"rows": [{"task": str, "agent": str}], "false_positive_rates": {}}
RATES = {"nearest": float, "density": float}
ROW = {
    "frozen": int,
    "acting": str,
    "num_episodes": int,
    "tune_factors": [float],
    "scores": [{}],
}
"""What a row says besides its task and agent; its figures follow from its scores."""
SHARED = ("data_sha256", "temperature", "risk_weight", "conservative_weight")
"""Columns of scores in which all seeds are equal."""


class Joined(NamedTuple):
    """Joined rows by task and agent; false-positive rates and data's hash by task."""

    rows: Mapping[tuple[str, str], Row]
    false_positives: FalsePositives
    hashes: Mapping[str, str]

    def get(self, plan: Plan) -> Row | None:
        """Return the row of a plan's agent; None: it is not scored yet."""
        return self.rows.get((plan.task, plan.agent))


def read_joined(arguments: Arguments, plans: Sequence[Plan]) -> Joined:
    """Return the rows of these plans that are in the folders of --join.

    Raises `InputError` for the folder of --out, a folder with none of these rows, other
    options, a damaged row, a row that is joined twice, and rows of one task from
    agents that tried different factors or were trained on different data.
    """
    asked = {(plan.task, plan.agent): plan for plan in plans}
    rows: dict[tuple[str, str], Row] = {}
    rates: dict[str, Mapping[str, float]] = {}
    hashes: dict[str, str] = {}
    for folder in arguments.join:
        path = folder / RECORD
        if folder.resolve() == arguments.out.resolve():
            raise InputError(f"--join {folder} is the folder of --out: give another")
        record = read_comparison(path, arguments)
        entries = [x for x in record["rows"] if (x["task"], x["agent"]) in asked]
        if not entries:
            raise InputError(f"{path} has none of the rows asked for: do not join it")
        rates = read_rates(record, {x["task"] for x in entries}, path) | rates
        of_all = record["options"].get("tune_factors")  # as an older version wrote it
        for entry in entries:
            plan = asked[entry["task"], entry["agent"]]
            row = read_row({"tune_factors": of_all} | entry, path, plan)
            check_settings(row, path, plan, arguments)
            name = f"{row.agent} on {row.task}"
            if (row.task, row.agent) in rows:
                raise InputError(f"{path} has {name} again: join one row of each agent")
            rows[row.task, row.agent] = row
            found = row.scores[0]["data_sha256"]
            if found != hashes.setdefault(row.task, found):
                raise InputError(
                    f"{path} has {name} from other data than another row of --join: "
                    "join one of them"
                )
    check_factors(rows, arguments, plans)
    return Joined(rows, rates, hashes)


def read_comparison(path: Path, arguments: Arguments) -> dict[str, Any]:
    """Return comparison.json; `InputError` where it is none or of other options."""
    record = read_record(path)
    if not fits(record, COMPARISON):
        raise InputError(f"{path} is no record of a comparison: join another folder")
    if "options" not in record:
        raise InputError(
            f"{path} has no options, as an older version wrote it: it cannot be joined"
        )
    for name, wanted in arguments.lasting.items():
        found = record["options"].get(name)
        if found != wanted:
            raise InputError(
                f"{path} was made with {name} {show(found)}, not {show(wanted)}: give "
                "the options of that comparison, or do not join it"
            )
    return record


def read_rates(
    record: Mapping[str, Any], tasks: set[str], path: Path
) -> dict[str, Mapping[str, float]]:
    """Return the false-positive rates of tasks; `InputError` where one is missing."""
    rates = {task: record["false_positive_rates"].get(task) for task in tasks}
    for task, found in rates.items():
        if not (fits(found, RATES) and all(0.0 <= x <= 1.0 for x in found.values())):
            raise InputError(
                f"{path} is damaged: false_positive_rates of {task} is {show(found)}; "
                "restore the file, or do not join it"
            )
    return rates


def read_row(entry: Mapping[str, Any], path: Path, plan: Plan) -> Row:
    """Return a row of comparison.json; `InputError` where it is not one of the plan."""
    options = plan.options
    kinds = kinds_of_score(options.evaluation.eval_level)
    wanted = {
        "task": plan.task,
        "agent": plan.agent,
        "bc_updates": options.training.bc_steps,
        "updates": options.training.num_steps,
        "candidates": options.evaluation.acting_num_candidates,
    }
    scores = entry["scores"] if fits(entry, ROW) else []
    if not (
        [x.get("seed") for x in scores] == list(range(options.training.num_seeds))
        and all(fits(x, kinds) and x.keys() == kinds.keys() for x in scores)
        and all(x | wanted == x for x in scores)
        and all(is_finite(x[name]) for x in scores for name in kinds)
        and all(0 <= x["episodes"] <= entry["num_episodes"] for x in scores)
        and len({tuple(x[name] for name in SHARED) for x in scores}) == 1
        and are_factors(entry["tune_factors"])
        and entry["num_episodes"] == options.evaluation.episodes
        and 0 <= entry["frozen"] <= len(scores)
        and entry["acting"].isprintable()
    ):
        raise InputError(
            f"{path} is damaged: its row of {plan.agent} on {plan.task} is not what "
            "`ramac compare` writes with these options; restore the file, or do not "
            "join it"
        )
    for name in (name for name, kind in kinds.items() if kind is NUMBER):
        scores = [x | {name: math.nan if x[name] is None else x[name]} for x in scores]
    return Row(
        task=plan.task,
        agent=plan.agent,
        figures=figures_over_seeds(scores, options.evaluation.eval_level),
        num_seeds=len(scores),
        frozen=entry["frozen"],
        acting=entry["acting"],
        num_episodes=entry["num_episodes"],
        tune_factors=tune_factors(plan, entry["tune_factors"]),
        scores=scores,
    )


def check_factors(
    rows: Mapping[tuple[str, str], Row], arguments: Arguments, plans: Sequence[Plan]
) -> None:
    """Raise `InputError` where agents of one task try different factors.

    Args:
      rows: that are joined, by task and agent.
      arguments: of this comparison; its factors, if any, are those of all tasks.
      plans: of all agents. One without a weight tries no factor.
    """
    first: dict[str, tuple[str, list[float]]] = {}
    for plan in plans:
        if plan.weight is None:
            continue
        row = rows.get((plan.task, plan.agent))
        name = plan.agent if row is None else f"the joined {plan.agent}"
        factors = sorted(arguments.tune_factors if row is None else row.tune_factors)
        if arguments.tune_factors:
            first[plan.task] = "this command", sorted(arguments.tune_factors)
        other, others = first.setdefault(plan.task, (name, factors))
        if factors != others:
            raise InputError(
                f"on {plan.task} {other} has --tune-factors {in_words(others)} and "
                f"{name} {in_words(factors)}: give all agents of a task the same"
            )


def in_words(factors: Sequence[float]) -> str:
    """Return factors as the command line has them."""
    return " ".join(f"{x:g}" for x in factors) or "none"


def check_settings(row: Row, path: Path, plan: Plan, arguments: Arguments) -> None:
    """Raise `InputError` where agents act or learn by other settings than here.

    Options that leave a setting to the preset are the same in every version of the
    library, and presets are not. A tuned weight may be any: its row says which.

    Args:
      row: of the other comparison.
      path: of its comparison.json.
      plan: of the agent.
      arguments: of this comparison.
    """
    temperature = plan.options.evaluation.acting_temperature
    wanted = {"temperature": arguments.tune_temperatures or (temperature,)}
    if plan.weight is not None:
        for name in ("risk_weight", "conservative_weight"):
            wanted[name] = (getattr(plan.options.hyperparams, name),)
        if row.tune_factors:
            del wanted[plan.weight]
    for name, values in wanted.items():
        found = next((x[name] for x in row.scores if x[name] not in values), None)
        if found is not None:
            raise InputError(
                f"{path} has {row.agent} on {row.task} with {name} {found:g}, and "
                f"here it is {' or '.join(f'{x:g}' for x in values)}: do not join it"
            )


def are_factors(values: Sequence[float]) -> bool:
    """Whether these are factors that `ramac compare` can try."""
    return len({*values}) == len(values) and all(x in WEIGHT for x in values)


def is_finite(value: Any) -> bool:
    """Whether a value of a score is no number, or one that a float can hold."""
    return not isinstance(value, int | float) or abs(value) <= sys.float_info.max


def check_data(joined: Joined, task: str, hashes: Sequence[str]) -> None:
    """Raise `InputError` where the joined rows of a task learned from other data.

    Args:
      joined: all rows.
      task: whose rows are checked.
      hashes: of the datasets of the agents that are trained here.
    """
    if joined.hashes.get(task, " ".join(hashes)) != " ".join(hashes):
        raise InputError(
            f"--join has rows of {task} from data of another hash than those here: "
            "make the same data, or do not join them"
        )
