"""How fast a search finds good settings: the expected score of the best one so far."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna

from benchmarks.search.surfaces import SPACE, SURFACES
from ramac_jax.search import Round, Scores, make_sampler, search
from ramac_jax.search.space import Space

Score = Callable[[Round], tuple[np.ndarray, np.ndarray]]
"""A round -> the scores that the study stores, and the expected ones, [B] each."""
EXPECTED = "expected"
"""Attribute of a trial: its expected score."""


def best_so_far(
    study: optuna.Study, space: Space, score: Score, *, trials: int, batch: int
) -> np.ndarray:
    """Return the expected score of the best trial so far, after each trial [trials].

    The best trial is that of the highest score that the study holds. A study that was
    left before its end goes on.
    """

    def score_round(round_: Round) -> Scores:
        seen, expected = score(round_)
        return Scores(seen, attributes=[{EXPECTED: float(x)} for x in expected])

    found = search(
        study, space, score_round, num_trials=trials, batch_size=batch, process="only"
    )
    seen = [trial.scores[0] for trial in found.trials]
    best = [int(np.argmax(seen[: count + 1])) for count in range(trials)]
    return np.array([found.trials[place].attributes[EXPECTED] for place in best])


def score_on(
    name: str, draw: np.random.Generator, round_: Round
) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of a round on a surface, with and without noise."""
    surface = SURFACES[name]
    columns = np.array([[x[key] for key in SPACE] for x in round_.settings]).T
    worth = surface.value(np.log10(columns[0]), np.log10(columns[1]), columns[2])
    return worth + surface.noise * draw.standard_normal(len(worth)), worth


def curves_on(
    name: str, sampler: str, *, trials: int, batch: int, seeds: Sequence[int]
) -> np.ndarray:
    """Return the best so far on a surface, for each seed of the search [R, trials]."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = []
    for seed in seeds:
        study = optuna.create_study(
            direction="maximize", sampler=make_sampler(sampler, SPACE, seed=seed)
        )
        score = functools.partial(score_on, name, np.random.default_rng(seed))
        rows.append(best_so_far(study, SPACE, score, trials=trials, batch=batch))
    return np.array(rows)


def summary(curves: np.ndarray, random: np.ndarray) -> dict[str, Any]:
    """Return the figures of one sampler.

    Args:
      curves: of the sampler [R, T].
      random: of the sampler random [R, T].

    Returns "best" after T trials, the mean over the repetitions, with its standard
    error; "share", the trials whose mean best reaches that of random's T, as a share of
    T, and None where it does not; "mean_best" after every eighth trial.
    """
    best, mean = curves[:, -1], curves.mean(axis=0)
    reached = np.flatnonzero(mean >= random.mean(axis=0)[-1])
    error = best.std(ddof=1) / np.sqrt(len(best)) if len(best) > 1 else None
    return {
        "best": float(best.mean()),
        "standard_error": None if error is None else float(error),
        "share": float(reached[0] + 1) / curves.shape[1] if len(reached) else None,
        "mean_best": [round(float(x), 4) for x in mean[7::8]],
    }
