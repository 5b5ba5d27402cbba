"""What a search found: its trials, and the best of them."""

from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from ramac_jax.evaluation.ranking import pareto_front
from ramac_jax.search.lineage import FIRST, REASON, SURPLUS, attributes_of
from ramac_jax.search.space import Space, decode
from ramac_jax.search.storage import directions_of


class TrialResult(NamedTuple):
    """A trial of a study."""

    number: int
    setting: dict[str, Any]
    """Name of each parameter -> its value."""
    state: str
    """"complete", "pruned", "fail", "running" or "waiting"."""
    scores: tuple[float, ...]
    """A score for each objective; none unless complete. Pruned: the last one reported.
    """
    feasible: bool
    """Whether it meets every constraint."""
    retry_of: int | None
    """The number of the trial whose process was lost; None: this is no retry."""
    attributes: dict[str, Any]
    """What was stored with the scores; "reason" of a trial that failed for good."""


class SearchResult(NamedTuple):
    """The result of a search, of all processes that share its study."""

    trials: list[TrialResult]
    """In the order of their numbers."""
    best: list[TrialResult]
    """The best trial that meets every constraint; of several objectives the Pareto
    front, best first objective first. Empty where there is none."""


def results_of(study: optuna.Study, space: Space) -> SearchResult:
    """Return the trials of a study and the best of them."""
    trials = [
        trial_result(trial, space)
        for trial in study.get_trials(deepcopy=False)
        if trial.user_attrs.get(REASON) != SURPLUS
    ]
    able = [x for x in trials if x.state == "complete" and x.feasible]
    signs = np.asarray(directions_of(study))
    values = np.array([x.scores for x in able]).reshape(len(able), len(signs)) * signs
    front = np.flatnonzero(pareto_front(values))
    best = sorted(front, key=lambda row: (-values[row, 0], able[row].number))
    if len(signs) == 1:
        best = best[:1]
    return SearchResult(trials=trials, best=[able[row] for row in best])


def trial_result(trial: FrozenTrial, space: Space) -> TrialResult:
    """Return a trial of Optuna as a result."""
    ended = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    return TrialResult(
        number=trial.number,
        setting=decode(space, trial.params),
        state=trial.state.name.lower(),
        scores=tuple(trial.values or ()) if ended else (),
        feasible=not any(x > 0.0 for x in trial.constraints.values()),
        retry_of=trial.system_attrs.get(FIRST),
        attributes=attributes_of(trial),
    )
