"""A round: the trials that one compiled program trains together."""

import contextlib
import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ramac_jax.errors import InputError, check_names
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.search.space import Space, decode

BEFORE = "attributes_before_step_"
"""User attribute of a trial: what its pruner had noted before a step."""


class Scores(NamedTuple):
    """What a round returns to the study; rows beyond the trials of the round are
    ignored."""

    scores: np.ndarray
    """[B], or [B, K] of K objectives. A trial with a NaN has failed."""
    constraints: Mapping[str, np.ndarray] = {}
    """Name -> [B]; a trial meets a constraint of 0 or less."""
    attributes: Sequence[Mapping[str, Any]] = ()
    """Values of JSON to store with each trial."""


@dataclasses.dataclass(frozen=True)
class Round:
    """Up to B trials of a study."""

    study: optuna.Study
    space: Space
    number: int
    """Of the rounds of this process, from 0."""
    trials: tuple[optuna.Trial, ...]
    """One or more; a trial that has ended was told by this process before it was
    resumed."""
    size: int
    """B."""
    base: Hyperparams
    """Values of the hyperparameters that the search does not vary."""
    pruned: set[int] = dataclasses.field(default_factory=set)
    """Numbers of the trials that `report` stopped."""

    @property
    def numbers(self) -> list[int]:
        """The numbers of the trials."""
        return [trial.number for trial in self.trials]

    @property
    def settings(self) -> list[dict[str, Any]]:
        """The parameters of each trial."""
        return [decode(self.space, trial.params) for trial in self.trials]

    @property
    def hyperparams(self) -> Hyperparams:
        """The hyperparameters, NumPy leaves [B] float32.

        The last trial fills a round that is not full, so that every round has one
        program. Raises `InputError` for a parameter that is no hyperparameter.
        """
        check_names("hyperparameter", self.space, Hyperparams._fields)
        settings = self.settings
        settings += settings[-1:] * (self.size - len(settings))
        base = self.base._asdict()
        columns: dict[str, Any] = {
            name: np.array([x.get(name, base[name]) for x in settings], np.float32)
            for name in Hyperparams._fields
        }
        return Hyperparams(**columns)

    def report(self, step: int, values: np.ndarray | Sequence[float]) -> np.ndarray:
        """Report scores on the way, and return which trials go on [B].

        The pruner of the study compares each trial with those of all processes. Rows
        beyond the trials do as the last one does.

        Args:
          step: in the unit of the pruner; factor^rung for those of `make_pruner`. A
            step once reported is not reported again.
          values: [B], or one for each trial; those of stopped trials are ignored.

        Raises `InputError` for a study of several objectives.
        """
        if len(self.study.directions) > 1:
            raise InputError("a search with several objectives prunes nothing")
        going = [row for row in range(len(self.trials)) if self.goes_on(row)]
        for row in going:
            self.report_one(self.trials[row], step, float(values[row]))
        self.prune(step, [self.trials[row] for row in going])
        keep = [self.goes_on(row) for row in range(len(self.trials))]
        return np.array(keep + keep[-1:] * (self.size - len(keep)))

    def goes_on(self, row: int) -> bool:
        """Whether nothing has stopped a trial."""
        return self.trials[row].number not in self.pruned

    def report_one(self, trial: optuna.Trial, step: int, value: float) -> None:
        """Report a score of a trial, unless it has ended or it was reported."""
        known = frozen(trial)
        if known.state.is_finished() or step in known.intermediate_values:
            return
        with contextlib.suppress(UpdateFinishedTrialError):  # `Worker.tell` notes it
            trial.set_user_attr(f"{BEFORE}{step}", sorted(known.system_attrs))
            trial.report(value, step)

    def prune(self, step: int, trials: Sequence[optuna.Trial]) -> None:
        """Ask the pruner about trials as if all had reported at once.

        The first call of the pruner enters a trial into the comparison. The second one,
        with the trial as it was before, compares it with all others. A process that was
        killed in between asks both times again.
        """
        known = [frozen(x) for x in trials]
        self.pruned.update(x.number for x in known if x.state == TrialState.PRUNED)
        running = [
            x
            for x in known
            if x.state == TrialState.RUNNING and step in x.intermediate_values
        ]
        for trial in running:
            before = trial.user_attrs[f"{BEFORE}{step}"]
            trial.system_attrs = {name: trial.system_attrs[name] for name in before}
            with contextlib.suppress(UpdateFinishedTrialError):
                self.study.pruner.prune(self.study, trial)
        for trial in running:
            others: Any = OtherTrials(self.study, trial.number)
            with contextlib.suppress(UpdateFinishedTrialError):
                if self.study.pruner.prune(others, trial):
                    self.pruned.add(trial.number)


class OtherTrials:
    """A study without one of its trials, which a pruner would count twice."""

    def __init__(self, study: optuna.Study, number: int):
        self.study, self.number = study, number

    def get_trials(self, *args: Any, **options: Any) -> list[FrozenTrial]:
        """Return all trials but one."""
        trials = self.study.get_trials(*args, **options)
        return [trial for trial in trials if trial.number != self.number]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.study, name)


def frozen(trial: optuna.Trial) -> FrozenTrial:
    """Return a copy of a trial as the storage has it."""
    return copy.deepcopy(trial.storage.get_trial(trial._trial_id))
