"""Storages and studies of Optuna, opened before any training."""

import contextlib
import importlib.util
import json
import random
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage

from ramac_jax.differences import first_difference
from ramac_jax.errors import InputError, first_line
from ramac_jax.files import strict
from ramac_jax.search.lineage import retry
from ramac_jax.urls import without_password

HEARTBEAT, GRACE = 30, 120
"""Seconds between two heartbeats of a process, and without one until it is lost."""
PATIENCE = {"sqlite": {"timeout": 60}, "postgresql": {"connect_timeout": 10}}
"""Arguments of a connection: seconds to wait."""
ATTEMPTS, PAUSE = 10, 0.2
"""How often a storage is made, and seconds in between."""
COLLISIONS = ("exists", "duplicate", "unique")
"""Words of a database where two processes make the same tables."""
RECORD = "ramac_jax"
"""User attribute of a study: what all of its processes must have in common."""
UNREACHABLE = (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError)


def file_url(path: Path) -> str:
    """Return the URL of a storage in an SQLite file."""
    return f"sqlite:///{path.absolute()}"


def check_url(url: str) -> sqlalchemy.engine.URL:
    """Return a URL in its parts; `InputError` where it is none."""
    try:
        return sqlalchemy.engine.make_url(url)
    except sqlalchemy.exc.ArgumentError:
        raise InputError(
            "the storage is no URL: give one such as sqlite:///study.db or "
            "postgresql://user:password@host/name"
        ) from None


def open_storage(
    url: str, *, heartbeat: int = HEARTBEAT, grace: int = GRACE
) -> RDBStorage:
    """Open a storage that notices lost processes, and runs their trials again.

    Args:
      url: of a database, as SQLAlchemy writes it, such as sqlite:///study.db or
        postgresql://user:password@host/name.
      heartbeat: seconds between two heartbeats of a process.
      grace: seconds without one after which its trials run again.

    Raises `InputError` for a URL that is none, a database that cannot be reached, and a
    missing driver.
    """
    parsed = check_url(url)
    backend = parsed.get_backend_name()
    if parsed.drivername == "postgresql" and importlib.util.find_spec("psycopg2"):
        url = parsed.set(drivername="postgresql+psycopg2").render_as_string(False)
    options: dict[str, Any] = {"pool_pre_ping": True}
    if backend in PATIENCE:
        options["connect_args"] = PATIENCE[backend]
    try:
        with quiet_optuna(), reachable(without_password(url)):
            storage = first_made(
                lambda: RDBStorage(
                    url,
                    engine_kwargs=options,
                    heartbeat_interval=heartbeat,
                    grace_period=grace,
                    heartbeat_stale_trial_callback=retry,
                )
            )
            if backend == "sqlite":
                write_ahead(storage)
            return storage
    except ImportError as error:
        raise InputError(
            f"the storage {without_password(url)} needs a driver "
            f"({first_line(error)}): for PostgreSQL pip install psycopg2-binary, for "
            "MySQL pip install pymysql"
        ) from None


def first_made(make: Callable[[], RDBStorage]) -> RDBStorage:
    """Make a storage again where another process makes the same tables meanwhile."""
    for _ in range(ATTEMPTS):
        try:
            return make()
        except UNREACHABLE as error:
            text = f"{error} {error.__cause__}".lower()
            if not any(word in text for word in COLLISIONS):
                raise
            time.sleep(PAUSE * (1.0 + random.random()))
    return make()


def write_ahead(storage: RDBStorage) -> None:
    """Let SQLite append to a log, so that no transaction waits for the disk.

    What a killed process has written stays. Each transaction takes a twentieth of the
    time on a disk that confirms slowly.
    """

    def configure(connection: Any, record: Any) -> None:
        with contextlib.suppress(sqlite3.OperationalError):  # another process does it
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

    sqlalchemy.event.listen(storage.engine, "connect", configure)
    storage.engine.dispose()


def open_study(
    storage: RDBStorage,
    name: str,
    *,
    sampler: BaseSampler,
    pruner: BasePruner | None = None,
    num_objectives: int = 1,
    record: Mapping[str, Any],
) -> optuna.Study:
    """Open the study of a name, or create it; more is better in every objective.

    Args:
      storage: of `open_storage`.
      name: of the study.
      sampler: of `make_sampler`.
      pruner: of `make_pruner`; None: no trial is pruned.
      num_objectives: scores of each trial.
      record: values of JSON by their names that all processes of the study must have
        in common, such as the space and the dataset; those of a study without trials
        are replaced.

    Raises `InputError` for a study of other directions, or with another record, with
    the first difference, and for a storage that cannot be reached.
    """
    url = without_password(storage.url)
    directions = [optuna.study.StudyDirection.MAXIMIZE] * num_objectives
    with reachable(url):
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            sampler=sampler,
            pruner=pruner or optuna.pruners.NopPruner(),
            directions=directions,
            load_if_exists=True,
        )
        if study.directions != directions:
            existing, wanted_ones = (
                ", ".join(x.name.lower() for x in each)
                for each in (study.directions, directions)
            )
            raise InputError(
                f"the study {name!r} in {url} has the directions {existing}, not "
                f"{wanted_ones}: give another study"
            )
        wanted = json.loads(json.dumps(strict(record)))
        known = study.user_attrs.get(RECORD)
        begun = bool(study.get_trials(deepcopy=False))
        if begun and known is None:
            raise InputError(
                f"the study {name!r} in {url} is of another program: give another study"
            )
        if not begun:
            study.set_user_attr(RECORD, wanted)
            return study
    check_record(f"the study {name!r} in {url}", known, wanted)
    return study


def check_record(where: str, known: Any, wanted: Any) -> None:
    """Raise `InputError` with the first difference between two records."""
    if (difference := first_difference(known, wanted)) is not None:
        place, before, now = difference
        raise InputError(
            f"{where} was made with {place} {before}, not {now}: give the same, or "
            "another study"
        )


@contextlib.contextmanager
def reachable(
    where: str, advice: str = "check its address and rights"
) -> Iterator[None]:
    """Raise `InputError` instead of what a lost storage raises.

    Args:
      where: name of the storage.
      advice: what to do.
    """
    try:
        yield
    except UNREACHABLE as error:
        cause = error.__cause__ if error.__cause__ is not None else error
        raise InputError(
            f"cannot reach {where} ({first_line(cause)}): {advice}"
        ) from None


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Ignore that Optuna calls heartbeats experimental, and meant for `optimize`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed")
        yield


def directions_of(study: optuna.Study) -> Sequence[float]:
    """Return 1 for each objective of which more is better, -1 for the others."""
    maximize = optuna.study.StudyDirection.MAXIMIZE
    return [1.0 if x == maximize else -1.0 for x in study.directions]
