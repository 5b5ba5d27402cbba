"""The scores of a round, checked and stored in the study."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from ramac_jax.errors import InputError
from ramac_jax.search.heartbeats import Heartbeats
from ramac_jax.search.lineage import REASON
from ramac_jax.search.rounds import Round, Scores, frozen


def tell(
    round_: Round,
    scores: np.ndarray | Scores,
    heartbeats: Heartbeats,
    note: Callable[[str], None],
) -> None:
    """Store the scores of a round in its study.

    Raises `InputError` for scores of another shape, before any are stored.
    """
    objectives = len(round_.study.directions)
    checked = check(scores, len(round_.trials), objectives)
    for row, trial in enumerate(round_.trials):
        known = frozen(trial)
        counts = known.state != TrialState.FAIL or REASON in known.user_attrs
        if not known.state.is_finished():
            counts = False
            with contextlib.suppress(UpdateFinishedTrialError):
                counts = tell_one(round_, trial, checked, row)
        if not counts:
            note(
                f"trial {trial.number} was without a heartbeat for too long: it runs "
                "again as another trial, and this one's scores do not count"
            )
        heartbeats.drop(trial._trial_id)


def tell_one(round_: Round, trial: optuna.Trial, scores: Scores, row: int) -> bool:
    """Store what a row says of a trial, its scores last.

    Returns whether it counts: another process may have taken it for lost.
    """
    if scores.attributes:
        for name, value in scores.attributes[row].items():
            trial.set_user_attr(name, value)
    values = scores.scores[row]
    finite = bool(np.isfinite(values).all())
    for name, excess in scores.constraints.items():
        known = name in trial.constraints
        if not known and not np.isnan(excess[row]):
            trial.set_constraint(name, float(excess[row]))
    state = TrialState.COMPLETE if finite else TrialState.FAIL
    if trial.number in round_.pruned:
        state = TrialState.PRUNED
    elif not finite:
        trial.set_user_attr(REASON, "its scores are not finite")
    told = round_.study.tell(
        trial,
        values.tolist() if state == TrialState.COMPLETE else None,
        state,
        skip_if_finished=True,
    )
    return told.state == state


def check(scores: np.ndarray | Scores, count: int, objectives: int) -> Scores:
    """Return scores [B, K] with their constraints and attributes.

    Raises `InputError` where they lack a row for a trial, or hold no numbers.
    """
    if not isinstance(scores, Scores):
        scores = Scores(scores)
    values = numbers("scores", scores.scores)
    shape = list(values.shape)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) < count or values.shape[1] != objectives:
        raise InputError(
            f"the scores have shape {shape}: give a row for each of {count} trials, "
            f"of {objectives} objectives"
        )
    constraints = {}
    for name, excess in scores.constraints.items():
        column = numbers(f"values of constraint {name!r}", excess)
        if column.ndim != 1 or len(column) < count:
            raise InputError(
                f"the values of constraint {name!r} have shape {list(column.shape)}: "
                f"give one for each of {count} trials"
            )
        constraints[name] = column
    check_attributes(scores, count)
    return scores._replace(scores=values, constraints=constraints)


def check_attributes(scores: Scores, count: int) -> None:
    """Raise `InputError` where attributes lack a trial, or are no values of JSON."""
    given = len(scores.attributes)
    if given and given < count:
        raise InputError(
            f"the attributes are those of {given} trials: give those of each of "
            f"{count} trials, or none"
        )
    try:
        json.dumps([dict(x) for x in scores.attributes[:count]])
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the attributes are no values of JSON ({error}): give numbers, texts, "
            "lists and dictionaries by their names"
        ) from None


def numbers(what: str, values: Any) -> np.ndarray:
    """Return values as float64; `InputError` for those that are no real numbers."""
    try:
        table = np.asarray(values)
        if table.dtype.kind not in "OUSMmc":
            return table.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise InputError(f"the {what} are not all numbers: give an array of numbers")
