"""Successive halving as one call: train all settings briefly, the best of them on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ramac_jax.populations.chunks import pick
from ramac_jax.populations.ranking import rank
from ramac_jax.populations.running import train_population
from ramac_jax.populations.schedule import Schedule, Trained
from ramac_jax.populations.search import Rung, cross
from ramac_jax.types import Agent, Hyperparams, Transition
from ramac_jax.validation import InputError


def train_rungs(
    agent: Agent,
    dataset: Transition,
    settings: Hyperparams,
    seeds: Sequence[int],
    rungs: Sequence[Rung],
    schedule: Schedule,
    score: Callable[[Trained], np.ndarray],
    *,
    folder: str | Path | None = None,
    **options: Any,
) -> Trained:
    """Train every setting with every seed, rung by rung, and give the last rung.

    Settings are ordered as `rank` does. To score the best of the last rung with it use
    other seeds, or other episodes, than `score` has chosen by.

    Args:
      agent: that every member is.
      dataset: to train on.
      settings: each leaf [S]; members tell theirs by its number, `members.setting`.
      seeds: of each setting.
      rungs: how many settings go how far, as `halving` gives them.
      schedule: its `num_steps` and `start` are those of the rungs.
      score: what each member is worth [P], the same in every process.
      folder: for the checkpoints of each rung; None: nothing is saved.
      options: further ones of `train_population`, for every rung.

    Raises what `train_population` raises, and `InputError` for a score of another size
    or rungs that do not begin with all settings.
    """
    numbers, states, start = np.arange(np.size(settings.discount)), None, 0
    if not rungs or rungs[0].num_settings != len(numbers):
        raise InputError(
            f"the rungs do not begin with all {len(numbers)} settings: give those of "
            "`halving`"
        )
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
        worth = np.array(score(trained), np.float64)
        if worth.shape != members.seed.shape:
            raise InputError(
                f"score gave shape {list(worth.shape)}: it needs one number for each "
                f"of {len(members.seed)} members"
            )
        names = dict.fromkeys(numbers.tolist(), "")
        table, frozen = (
            x.reshape(len(numbers), -1) for x in (worth, trained.diverged())
        )
        best = rank(names, table, {}, frozen)[: rungs[index + 1].num_settings]
        numbers = np.array(sorted(entry.setting for entry in best))
        states = pick(trained.states, np.isin(members.setting, numbers))
        start = rung.num_steps
    return trained
