"""The trials of a study in words and in records."""

from collections.abc import Mapping
from typing import Any

from ramac_jax.cli.options.sweep import SweepOptions
from ramac_jax.cli.runs.tried import Tried
from ramac_jax.search import SearchResult, TrialResult
from ramac_jax.search.lineage import REASON
from ramac_jax.urls import without_password

STUDY = "study.db"
"""The embedded storage, in the run's folder."""
TRIED = "tried"
"""User attribute of a trial: its figures."""


def label_of(trial: TrialResult) -> str:
    """Return the setting of a trial that has figures, in words."""
    return Tried.from_json(trial.attributes[TRIED]).label


def tried_of(found: SearchResult) -> list[Tried]:
    """Return the figures of all trials that have any."""
    return [
        Tried.from_json(x.attributes[TRIED])
        for x in found.trials
        if TRIED in x.attributes
    ]


def settings_of(found: SearchResult) -> dict[int, Mapping[str, Any]]:
    """Return the settings of all trials that have figures."""
    return {x.number: x.setting for x in found.trials if TRIED in x.attributes}


def describe_trial(trial: TrialResult) -> dict[str, Any]:
    """Return a trial for sweep.json; its figures are in agents.csv."""
    record = trial._asdict()
    del record["attributes"]
    return record


def notes_of(found: SearchResult, options: SweepOptions) -> list[str]:
    """Return sentences about the study, for the report."""
    states = [x.state for x in found.trials]
    where = without_password(options.search.storage or STUDY)
    notes = [
        f"Study {options.search.study!r} in {where}, sampler {options.search.sampler}: "
        + ", ".join(f"{states.count(x)} {x}" for x in sorted(set(states)))
        + "."
    ]
    retried = [
        f"{x.number} of {x.retry_of}" for x in found.trials if x.retry_of is not None
    ]
    if retried:
        notes.append(
            "Trials that run again because their process was lost: "
            f"{', '.join(retried)}."
        )
    for state, text in (
        ("running", "Other processes still train"),
        ("waiting", "Not yet run again"),
    ):
        numbers = [str(x.number) for x in found.trials if x.state == state]
        if numbers:
            notes.append(f"{text}: {', '.join(numbers)}.")
    for one in found.trials:
        if one.state == "fail" and REASON in one.attributes:
            notes.append(f"Trial {one.number} failed: {one.attributes[REASON]}.")
    if not found.best:
        notes.append("No trial is complete and within its constraints.")
    return notes
