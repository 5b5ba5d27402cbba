"""The loop of a search: ask a batch, train and score it, tell; share it, resume it."""

import contextlib
import dataclasses
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ramac_jax.errors import check_counts
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.search.heartbeats import Heartbeats
from ramac_jax.search.lineage import (
    GIVEN_UP,
    PLACE,
    REASON,
    SURPLUS,
    is_given_up,
    is_queued_twice,
    orphans,
    place,
    process_of,
    retry,
    roots,
    round_of,
)
from ramac_jax.search.results import SearchResult, results_of
from ramac_jax.search.rounds import Round, Scores
from ramac_jax.search.space import Choice, Range, Space, distributions, suggest
from ramac_jax.search.storage import quiet_optuna, reachable
from ramac_jax.search.telling import tell

POLL = 0.5
"""Seconds between two looks at the trials of other processes."""


def search(
    study: optuna.Study,
    space: Mapping[str, Choice | Range],
    score: Callable[[Round], np.ndarray | Scores],
    *,
    num_trials: int,
    batch_size: int,
    base: Hyperparams = Hyperparams(),  # noqa: B008 - it is immutable
    process: str | None = None,
    alone: bool = False,
    note: Callable[[str], None] = lambda text: None,
    after_round: Callable[[Round, SearchResult], None] = lambda round_, found: None,
) -> SearchResult:
    """Search a space in rounds of trials that train together.

    Each round asks the study for up to `batch_size` trials, calls `score` once, and
    returns the scores to the study. Processes that share a study through a storage do
    not wait for each other: each asks and tells by itself, until the study has
    `num_trials` trials. A process that is lost leaves its trials to the others, which
    run them again once the grace period of the storage is over, with a note of the
    first trial.

    A search that was killed resumes: with the same `process`, or where it is alone with
    the study, it first trains the round that it was at.

    Args:
      study: of Optuna, such as `open_study` makes.
      space: name -> what to choose from. All names are hyperparameters where `score`
        reads `Round.hyperparams`.
      score: trains and scores the trials of a round: [B], or [B, K] of K objectives,
        with the attributes and constraints of `Scores` where there are any.
      num_trials: of all processes of the study together, retries not counted.
      batch_size: B, the trials of a round.
      base: values of the hyperparameters that the space lacks.
      process: a name that no other process of the study has; None: a new one.
      alone: no other process uses the study; so it is without heartbeats, in memory.
      note: called with one line on lost and retried trials.
      after_round: called with each round and with what the study knows after it.

    Returns the trials of all processes, and the best of them.

    Raises `InputError` for an empty space, numbers below 1, scores of another shape,
    and a storage that is lost; what `score` raises. The trials of the round then stay
    unfinished, and the search resumes with them.
    """
    check_counts(num_trials=num_trials, batch_size=batch_size)
    distributions(space)
    advice = "what is trained is kept; the same call resumes the search"
    with (
        reachable(f"the storage of study {study.study_name!r}", advice),
        Heartbeats(study) as heartbeats,
    ):
        worker = Worker(
            study=study,
            space=space,
            heartbeats=heartbeats,
            num_trials=num_trials,
            batch_size=batch_size,
            base=base,
            process=process or uuid.uuid4().hex,
            alone=alone or heartbeats.interval is None,
            note=note,
        )
        while worker.has_work():
            round_ = worker.next_round()
            if round_ is None:
                continue
            worker.tell(round_, score(round_))
            after_round(round_, results_of(study, space))
        return results_of(study, space)


@dataclasses.dataclass(frozen=True)
class Worker:
    """One process of a study; see `search` for the fields."""

    study: optuna.Study
    space: Space
    heartbeats: Heartbeats
    num_trials: int
    batch_size: int
    base: Hyperparams
    process: str
    alone: bool
    note: Callable[[str], None]
    noted: set[int] = dataclasses.field(default_factory=set)
    """Numbers of the trials that `retry_lost` has noted."""

    def trials(self) -> list[FrozenTrial]:
        """Return all trials of the study."""
        return self.study.get_trials(deepcopy=False)

    def has_work(self) -> bool:
        """Return whether there is a trial for this process.

        Where none is left but other processes still train, the process waits until
        they end, or for as long as it takes until the trials of a lost one are lost:
        Optuna does not tell how old a heartbeat is.
        """
        for trial in self.own(self.trials()):
            if trial.user_attrs.get(REASON) == SURPLUS:  # it was killed in `ask`
                self.study.tell(
                    trial.number, state=TrialState.FAIL, skip_if_finished=True
                )
            else:
                self.heartbeats.follow(trial._trial_id)  # so that it is not lost
        self.retry_lost()
        trials = self.trials()
        if self.can_ask(trials) or self.own(trials):
            return True
        wait = self.heartbeats.grace + 2 * (self.heartbeats.interval or 0)
        end, noted = time.monotonic() + wait, False
        adopted = len(self.heartbeats.adopted)
        while others := self.others():
            if self.can_ask(self.trials()):
                return True
            if time.monotonic() > end:
                self.note(f"other processes still train {named(others)}")
                return False
            if not noted:
                self.note(
                    f"no trial is left; waiting about {wait:g} s, in case a process "
                    f"is lost that trains {named(others)}"
                )
                noted = True
            time.sleep(POLL)
            self.retry_lost()
            if len(self.heartbeats.adopted) > adopted:  # a heartbeat of just now
                adopted = len(self.heartbeats.adopted)
                end = time.monotonic() + wait
        for trial in orphans(self.trials()):
            retry(self.study, trial)
        return self.can_ask(self.trials())

    def retry_lost(self) -> None:
        """Queue the trials of lost processes again, and note those given up."""
        if not self.alone:
            self.heartbeats.retry_lost()
        for trial in filter(is_given_up, self.trials()):
            if trial.number not in self.noted:
                self.note(f"trial {trial.number} does not run again: {GIVEN_UP}")
                self.noted.add(trial.number)

    def others(self) -> list[int]:
        """Return the numbers of the trials that other processes train."""
        return [x.number for x in self.trials() if x.state == TrialState.RUNNING]

    def can_ask(self, trials: Sequence[FrozenTrial]) -> bool:
        """Return whether the study has a trial to run again, or lacks trials."""
        waiting = any(x.state == TrialState.WAITING for x in trials)
        return waiting or len(roots(trials)) < self.num_trials

    def own(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the unfinished trials that this process left behind."""
        return [
            x
            for x in trials
            if x.state == TrialState.RUNNING
            and (self.alone or process_of(x.user_attrs) == self.process)
        ]

    def next_round(self) -> Round | None:
        """Return the unfinished round of this process, or a new one; None: no trial."""
        everyone = [x for x in self.trials() if x.user_attrs.get(REASON) != SURPLUS]
        ours = [x for x in everyone if process_of(x.user_attrs) == self.process]
        last = max((round_of(x.user_attrs) or 0 for x in ours), default=-1)
        left = self.own(everyone)
        begun = any(round_of(x.user_attrs) == last for x in left)
        number = last if begun else last + 1
        members = [x for x in ours if round_of(x.user_attrs) == number]
        members += [x for x in left if x not in ours]
        trials = [x for y in members if (x := self.resumed(y, number)) is not None]
        told = any(x.state.is_finished() for x in members)
        everyone = self.trials()
        while not told and len(trials) < self.batch_size and self.can_ask(everyone):
            trial, everyone = self.ask(number)
            if trial is not None:
                trials.append(trial)
        if not trials:
            return None
        return Round(
            study=self.study,
            space=self.space,
            number=number,
            trials=tuple(trials),
            size=self.batch_size,
            base=self.base,
        )

    def resumed(self, trial: FrozenTrial, number: int) -> optuna.Trial | None:
        """Return a trial that this process left behind, with all its parameters.

        None: another process took it for lost before it had them.
        """
        found = optuna.Trial(self.study, trial._trial_id)
        with contextlib.suppress(UpdateFinishedTrialError):
            if not trial.state.is_finished():
                self.begin(found, number)
        return found if self.space.keys() <= found.params.keys() else None

    def ask(self, number: int) -> tuple[optuna.Trial | None, list[FrozenTrial]]:
        """Ask for a trial of a round; None where others have the last ones.

        Returns the trial, and all trials of the study.
        """
        with quiet_optuna():
            trial = self.study.ask()
        self.begin(trial, number)
        everyone = self.trials()
        surplus = trial.number in roots(everyone)[self.num_trials :]
        if surplus or is_queued_twice(trial.number, everyone):
            trial.set_user_attr(REASON, SURPLUS)
            self.study.tell(trial, state=TrialState.FAIL)
            self.heartbeats.drop(trial._trial_id)
            return None, everyone
        return trial, everyone

    def begin(self, trial: optuna.Trial, number: int) -> None:
        """Record heartbeats of a trial, and let the sampler choose its parameters."""
        self.heartbeats.follow(trial._trial_id)
        trial.set_user_attr(PLACE, place(self.process, number))
        for name, parameter in self.space.items():
            suggest(trial, name, parameter)

    def tell(self, round_: Round, scores: np.ndarray | Scores) -> None:
        """Store the scores of a round; `InputError` for those of another shape."""
        tell(round_, scores, self.heartbeats, self.note)


def named(numbers: Sequence[int]) -> str:
    """Return numbers of trials in words."""
    word = "trial" if len(numbers) == 1 else "trials"
    return f"{word} {', '.join(map(str, numbers))}"
