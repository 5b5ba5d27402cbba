"""Heartbeats of this process, and the trials of processes without one.

`Study.optimize` of Optuna records heartbeats; a study that is asked and told does not.
"""

import contextlib
import datetime
import threading
from typing import Any, Self

import optuna
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from ramac_jax.search.storage import quiet_optuna


class Heartbeats:
    """Records that this process works at its trials, in a thread, within a `with`.

    A storage without heartbeats, such as one in memory, records nothing.
    """

    def __init__(self, study: optuna.Study):
        """Prepare to record in the storage of a study."""
        self.study = study
        self.storage: Any = study._storage
        self.interval: int | None = None
        if hasattr(self.storage, "get_heartbeat_interval"):
            self.interval = self.storage.get_heartbeat_interval()
        self.ids: set[int] = set()
        self.adopted: set[int] = set()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    @property
    def grace(self) -> float:
        """Seconds after which a trial without a heartbeat is lost."""
        if self.interval is None:
            return 0.0
        backend = getattr(self.storage, "_backend", self.storage)
        return float(getattr(backend, "grace_period", None) or 2 * self.interval)

    def follow(self, trial_id: int) -> None:
        """Record that this process works at a trial, now and until it is dropped."""
        if self.interval is not None:
            self.storage.record_heartbeat(trial_id)
            self.ids.add(trial_id)

    def drop(self, trial_id: int) -> None:
        """Record no more for a trial."""
        self.ids.discard(trial_id)

    def run(self) -> None:
        """Record for all trials until the end.

        A storage that is away for a moment is tried again. The main thread meets one
        that stays away.
        """
        while not self.ended.wait(self.interval):
            for trial_id in tuple(self.ids):
                with contextlib.suppress(Exception):
                    self.storage.record_heartbeat(trial_id)
        self.storage.remove_session()

    def retry_lost(self) -> None:
        """Fail the trials of lost processes, and queue them again.

        A process that ended between the creation of a trial and its first heartbeat
        left none: such a trial gets one heartbeat here, and is lost after it.
        """
        if self.interval is None:
            return
        with quiet_optuna():
            fail_stale_trials(self.study)
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            number = trial._trial_id
            if number not in self.ids | self.adopted and self.is_old(trial):
                self.adopted.add(number)
                self.storage.record_heartbeat(number)

    def is_old(self, trial: FrozenTrial) -> bool:
        """Whether a trial began longer ago than the grace period."""
        if trial.datetime_start is None:
            return False
        age = datetime.datetime.now() - trial.datetime_start
        return age.total_seconds() > self.grace

    def __enter__(self) -> Self:
        """Begin to record."""
        if self.interval is not None:
            self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End to record."""
        self.ended.set()
        if self.interval is not None:
            self.thread.join()
