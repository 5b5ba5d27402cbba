"""Which trials of a study count, and which of them run again after a lost process."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

FIRST, HISTORY = "failed_trial", "retry_history"
"""System attributes of a retried trial, by the names that Optuna uses."""
PLACE = "place"
"""User attribute of a trial: the process that trains it, and in which of its rounds;
one attribute, since a process may be killed between two."""
REASON = "reason"
"""User attribute of a trial that failed, and is not run again."""
SURPLUS = "more trials than were asked for"
MAX_RETRIES = 3
"""How often a trial runs again whose process was lost."""
GIVEN_UP = f"its process was lost {MAX_RETRIES + 1} times"


def retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue the parameters of a trial again, up to `MAX_RETRIES` times.

    The new trial notes the number of the first one, and of all before it, as
    `optuna.storages.RetryHeartbeatStaleTrialCallback` does. It inherits nothing else.
    """
    if REASON in trial.user_attrs or is_given_up(trial):
        return
    history = [*trial.system_attrs.get(HISTORY, ()), trial.number]
    attributes: dict[str, Any] = {FIRST: history[0], HISTORY: history}
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            system_attrs=attributes,
        )
    )


def place(process: str, number: int) -> dict[str, Any]:
    """Return the value of `PLACE`."""
    return {"process": process, "round": number}


def process_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the process that trains a trial of these user attributes, if any does."""
    return attributes.get(PLACE, {}).get("process")


def round_of(attributes: Mapping[str, Any]) -> int | None:
    """Return the round of its process in which a trial is, if any."""
    return attributes.get(PLACE, {}).get("round")


def is_given_up(trial: FrozenTrial) -> bool:
    """Whether a trial was lost as often as its retries allow."""
    return (
        trial.state == TrialState.FAIL
        and REASON not in trial.user_attrs
        and len(trial.system_attrs.get(HISTORY, ())) >= MAX_RETRIES
    )


def attributes_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the user attributes of a trial, and the reason where it is given up.

    A storage takes no attribute of a trial that has failed.
    """
    reason = {REASON: GIVEN_UP} if is_given_up(trial) else {}
    return {**trial.user_attrs, **reason}


def is_root(trial: FrozenTrial) -> bool:
    """Whether a trial counts towards the number of trials: no retry, no surplus."""
    return FIRST not in trial.system_attrs and trial.user_attrs.get(REASON) != SURPLUS


def first_number(trial: FrozenTrial) -> int:
    """Return the number of a trial, or of the one that it runs again.

    A process may end before its trial has all of its parameters: the retry draws the
    others as the first one would have.
    """
    number: int = trial.system_attrs.get(FIRST, trial.number)
    return number


def roots(trials: Iterable[FrozenTrial]) -> list[int]:
    """Return the numbers of the trials that count, in rising order."""
    return sorted(trial.number for trial in trials if is_root(trial))


def is_queued_twice(number: int, trials: Sequence[FrozenTrial]) -> bool:
    """Return whether an earlier trial runs the same lost trial again.

    Two processes may find a lost trial at the same moment, and both queue it.
    """
    lost = {x.number: x.system_attrs.get(HISTORY, (None,))[-1] for x in trials}
    same = [x for x, before in lost.items() if before == lost[number]]
    return lost[number] is not None and number > min(same)


def orphans(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials of lost processes that nothing has queued again."""
    retried = {x for trial in trials for x in trial.system_attrs.get(HISTORY, ())}
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL
        and REASON not in trial.user_attrs
        and trial.number not in retried
        and not is_given_up(trial)
    ]
