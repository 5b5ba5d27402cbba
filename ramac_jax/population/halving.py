"""Successive halving as one call: train all settings briefly, the best of them on."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ramac_jax.devices.mesh import pick
from ramac_jax.evaluation.ranking import rank
from ramac_jax.population.members import Rung, as_columns, cross
from ramac_jax.population.schedule import Schedule, Trained
from ramac_jax.population.train import train_population
from ramac_jax.types import Agent, Hyperparams, Transition
from ramac_jax.validation import InputError


def train_rungs(
    agent: Agent,
    dataset: Transition,
    settings: Hyperparams,
    seeds: Sequence[int],
    rungs: Sequence[Rung],
    schedule: Schedule,
    worth: Callable[[Trained], np.ndarray],
    *,
    selection_seeds: int | None = None,
    folder: str | Path | None = None,
    **options: Any,
) -> Trained:
    """Train every setting with every seed, rung by rung, and give the last rung.

    The settings that go on are the first in the order of `rank`. Give it the other
    seeds, in other episodes, to tell what the best of the last rung is worth.

    Args:
      agent: that every member is.
      dataset: to train on.
      settings: each leaf [S]; members tell theirs by its number, `members.setting`.
      seeds: of each setting.
      rungs: how many settings go how far, as `halving` gives them.
      schedule: its `num_steps` and `start` are those of the rungs.
      worth: what each member is worth [P], more is better; the same in every process.
      selection_seeds: how many of the seeds, the first ones, choose; None: all.
      folder: for the checkpoints of each rung; None: nothing is saved.
      options: further ones of `train_population`, for every rung.

    Raises what `train_population` raises, and `InputError` for rungs that do not begin
    with all settings or do not narrow, too many selection seeds, or a worth of another
    size.
    """
    columns: dict[str, Any] = as_columns(settings)
    settings = Hyperparams(**columns)
    check_rungs(rungs, len(columns["discount"]))
    choosing = len(seeds) if selection_seeds is None else selection_seeds
    if not 1 <= choosing <= len(seeds):
        raise InputError(
            f"selection_seeds is {choosing} of {len(seeds)}: give 1 or more of them"
        )
    numbers, states, start = np.arange(rungs[0].num_settings), None, 0
    for index, rung in enumerate(rungs):
        members = cross(pick(settings, numbers), seeds)
        members = members._replace(setting=numbers[members.setting].astype(np.int32))
        trained = train_population(
            agent,
            dataset,
            members,
            schedule._replace(num_steps=rung.num_steps, start=start),
            states=states,
            folder=None if folder is None else Path(folder) / f"rung-{index}",
            **options,
        )
        if index + 1 == len(rungs):
            break
        numbers = best_of(trained, worth(trained), choosing, rungs[index + 1])
        states = pick(trained.states, np.isin(members.setting, numbers))
        start = rung.num_steps
    return trained


def check_rungs(rungs: Sequence[Rung], num_settings: int) -> None:
    """Raise `InputError` unless they begin with all settings, and narrow."""
    if not rungs or rungs[0].num_settings != num_settings:
        raise InputError(
            f"the rungs do not begin with all {num_settings} settings: give those of "
            "`halving`"
        )
    for one, later in itertools.pairwise(rungs):
        narrows = 1 <= later.num_settings <= one.num_settings
        if not narrows or later.num_steps <= one.num_steps:
            raise InputError(
                f"a rung of {one} is followed by one of {later}: each needs fewer "
                "settings, one at least, and more updates than the one before"
            )


def best_of(
    trained: Trained, worth: np.ndarray, choosing: int, rung: Rung
) -> np.ndarray:
    """The numbers of the settings that go on to the next rung, in rising order."""
    members, worth = trained.members, np.asarray(worth, np.float64)
    if worth.shape != members.seed.shape:
        raise InputError(
            f"worth gave shape {list(worth.shape)}: it needs one number for each of "
            f"{len(members.seed)} members"
        )
    numbers = np.unique(members.setting).tolist()
    figures, frozen = (
        x.reshape(len(numbers), -1) for x in (worth, trained.is_frozen())
    )
    unnamed = dict.fromkeys(numbers, "")
    ranked = rank(unnamed, figures[:, :choosing], {}, frozen)
    return np.array(sorted(entry.setting for entry in ranked[: rung.num_settings]))
