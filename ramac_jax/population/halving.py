"""Successive halving: train all settings briefly, and the best of them for longer."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.evaluation.ranking import Ranked, rank
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.population.members import Members, as_columns, select_settings
from ramac_jax.population.rungs import Rung, check_rungs
from ramac_jax.population.schedule import InitialStates, Trained

T = TypeVar("T")


class Eliminated(NamedTuple):
    """A setting that successive halving trained no further."""

    rung: Rung
    """The last rung that trained the setting."""
    ranked: Ranked
    """The setting in the ranking of that rung."""


class Halved(NamedTuple, Generic[T]):
    """The result of successive halving."""

    trained: T
    """What the last rung trained."""
    ranked: list[Ranked]
    """The ranking of the last rung, best first."""
    eliminated: list[Eliminated]
    """Rung by rung, the best of each rung first."""


def successive_halving(
    rungs: Sequence[Rung],
    train: Callable[[int, np.ndarray, T | None], T],
    order: Callable[[int, np.ndarray, T], list[Ranked]],
) -> Halved[T]:
    """Train settings rung by rung; the best of each rung enter the next one.

    Jamieson and Talwalkar (2016), "Non-stochastic best arm identification and
    hyperparameter optimization". The settings are the numbers 0 to S - 1, where S is
    `rungs[0].num_settings`.

    Args:
      rungs: settings and updates of each rung, as `halving_rungs` returns them.
      train: (index of the rung, numbers of its settings in rising order, result of the
        rung before or None) -> result of the rung.
      order: (index of the rung, numbers of its settings, result of the rung) -> the
        settings, best first. The last rung may return an empty list.

    Raises `InputError` where the rungs do not narrow, before any training.
    """
    check_rungs(rungs)
    numbers = np.arange(rungs[0].num_settings)
    eliminated: list[Eliminated] = []
    trained = train(0, numbers, None)
    for index in range(1, len(rungs)):
        ranked = order(index - 1, numbers, trained)
        num_kept = rungs[index].num_settings
        eliminated += [
            Eliminated(rung=rungs[index - 1], ranked=entry)
            for entry in ranked[num_kept:]
        ]
        numbers = np.array(sorted(entry.setting for entry in ranked[:num_kept]))
        trained = train(index, numbers, trained)
    return Halved(
        trained=trained,
        ranked=order(len(rungs) - 1, numbers, trained),
        eliminated=eliminated,
    )


def train_rungs(
    train: Callable[[int, Members, InitialStates | None], Trained],
    score: Callable[[Trained], np.ndarray],
    settings: Hyperparams,
    seeds: Sequence[int],
    rungs: Sequence[Rung],
    *,
    selection_seeds: int | None = None,
) -> Trained:
    """Search the best setting by successive halving of one population.

    `rank` orders the settings of each rung by the scores of the selection seeds. Report
    the best setting on the other seeds, in other episodes: its selection scores are too
    high.

    Args:
      train: (index of the rung, members, their states at the end of the rung before or
        None) -> the population, trained to `num_steps` of the rung. Usually a function
        that calls `train_population`.
      score: scores [P] of the trained members; more is better, NaN is the worst. All
        processes must return the same scores.
      settings: hyperparameters, each leaf [S]; `members.setting` is a number below S.
      seeds: seeds of each setting.
      rungs: settings and updates of each rung, as `halving_rungs` returns them.
      selection_seeds: how many of the first seeds select; None: all.

    Returns the population of the last rung.

    Raises what `train` raises, and `InputError` where the rungs do not start with all
    settings or do not narrow, for a wrong number of selection seeds, and for scores of
    another shape.
    """
    columns: dict[str, Any] = as_columns(settings)
    num_settings, num_seeds = len(columns["discount"]), len(seeds)
    if not rungs or rungs[0].num_settings != num_settings:
        raise InputError(
            f"the rungs do not start with all {num_settings} settings: give those of "
            "`halving_rungs`"
        )
    num_selecting = num_seeds if selection_seeds is None else selection_seeds
    if not 1 <= num_selecting <= num_seeds:
        raise InputError(
            f"selection_seeds is {num_selecting} of {num_seeds}: give 1 to {num_seeds}"
        )

    def train_rung(index: int, numbers: np.ndarray, before: Trained | None) -> Trained:
        members = select_settings(Hyperparams(**columns), numbers, seeds)
        if before is None:
            return train(index, members, None)
        start = InitialStates(
            states=before.states_of(members), step=rungs[index - 1].num_steps
        )
        return train(index, members, start)

    def order(index: int, numbers: np.ndarray, trained: Trained) -> list[Ranked]:
        if index + 1 == len(rungs):
            return []
        scores = np.asarray(score(trained), np.float64)
        if scores.shape != trained.members.seed.shape:
            raise InputError(
                f"score returned shape {list(scores.shape)}: it needs one number for "
                f"each of {len(trained.members.seed)} members"
            )
        scores, frozen = (
            x.reshape(len(numbers), -1) for x in (scores, trained.is_frozen())
        )
        unnamed = dict.fromkeys(numbers.tolist(), "")
        return rank(unnamed, scores[:, :num_selecting], {}, frozen)

    return successive_halving(rungs, train_rung, order).trained
