"""The environments that Minari datasets name, and their reference returns."""

import dataclasses
import math
import warnings
from collections.abc import Sequence
from typing import Any

from gymnasium.envs.registration import EnvSpec
from minari import MinariDataset

from ramac_jax.envs.registration import update_spec

CHANGE_NOTHING = ("OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics")
"""Wrappers that leave observations, actions and rewards as they are."""


def evaluation_env(dataset: MinariDataset) -> EnvSpec | None:
    """Return the environment in which policies of a dataset are to be evaluated.

    It is the dataset's `eval_env_spec`, or else the environment that collected it; None
    where the dataset names none.
    """
    spec = dataset._eval_env_spec or dataset.env_spec  # Minari has no public name
    return None if spec is None else update_spec(spec)


def joint_env(opened: Sequence[MinariDataset]) -> EnvSpec | None:
    """Return the environment of joined datasets: the first one's, the longest limit."""
    specs = [x for x in map(evaluation_env, opened) if x is not None]
    if not specs:
        return None
    limits = [x.max_episode_steps for x in specs]
    known = [x for x in limits if x is not None]
    longest = max(known) if len(known) == len(limits) else None
    return dataclasses.replace(specs[0], max_episode_steps=longest)


def facts(spec: EnvSpec | None) -> dict[str, Any]:
    """Return what joined datasets must have in common, by the words of messages."""
    if spec is None:
        return dict.fromkeys(("environment", "environment kwargs", "wrappers"))
    wrappers = [
        (x.name, x.kwargs)
        for x in spec.additional_wrappers
        if x.name not in CHANGE_NOTHING and x.kwargs is not None
    ]
    return {
        "environment": f"{spec.namespace}/{spec.name}" if spec.namespace else spec.name,
        "environment kwargs": spec.kwargs,
        "wrappers": wrappers,
    }


def warn_of_others(opened: Sequence[MinariDataset]) -> None:
    """Warn of joined datasets with other environments than the first one's.

    They are of another version of the robot, or name another environment for
    evaluations.
    """
    for dataset in opened[1:]:
        for kind, first, other in (
            ("collected", opened[0].env_spec, dataset.env_spec),
            ("evaluated", evaluation_env(opened[0]), evaluation_env(dataset)),
        ):
            if first is None or other is None:
                continue
            if first.id == other.id and facts(first) == facts(other):
                continue
            where = other.id if first.id != other.id else f"another {other.id}"
            warnings.warn(
                f"dataset {dataset.id} is {kind} in {where} and {opened[0].id} in "
                f"{first.id}: policies are evaluated as {opened[0].id} says",
                stacklevel=3,
            )
            break


def reference_returns(opened: Sequence[MinariDataset]) -> tuple[float, float] | None:
    """Return the returns that datasets map to normalized scores 0 and 100.

    They are Minari's `ref_min_score` and `ref_max_score`, of which joined datasets must
    have the same; None, with a warning where some are there, for no such pair.
    """
    pairs = set()
    for dataset in opened:
        metadata = dataset.storage.metadata
        pair = metadata.get("ref_min_score"), metadata.get("ref_max_score")
        if pair != (None, None):
            pairs.add(pair)
    if not pairs:
        return None
    if len(pairs) == 1:
        (low, high) = next(iter(pairs))
        if is_number(low) and is_number(high) and low < high:
            return float(low), float(high)
    found = ", ".join(f"{low} and {high}" for low, high in sorted(pairs, key=str))
    warnings.warn(
        f"the reference scores of {', '.join(x.id for x in opened)} are {found}: they "
        "make no normalized score",
        stacklevel=3,
    )
    return None


def is_number(value: Any) -> bool:
    """Return whether metadata hold a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)
