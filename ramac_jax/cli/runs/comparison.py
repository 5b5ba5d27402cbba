"""Rows of a comparison: the statistics of one agent on one task."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ramac_jax.cli.options.compare import BANDIT, Plan
from ramac_jax.evaluation import Episodes, Interval
from ramac_jax.evaluation.intervals import seeds_interval

DETECTED = ("ood_nearest", "ood_density")
"""OOD rates by each detector."""
OOD_RATES = (*DETECTED, "ood")
"""These, and the true rate, which only the bandit has."""
FalsePositives = Mapping[str, Mapping[str, float]]
"""False-positive rates of the detectors on held-out data: task -> detector -> rate."""
NUMBER = int | float | None  # None: unknown


class Row(NamedTuple):
    """The statistics of an agent on a task."""

    task: str
    agent: str
    figures: dict[str, Interval]  # mean, cvar, risky_share and some of `OOD_RATES`
    num_seeds: int
    frozen: int = 0  # seeds that diverged
    acting: str = ""  # acting options in words; "": as trained
    num_episodes: int | None = None  # of each seed; None: samples of the bandit
    tune_factors: Sequence[float] = ()  # on its weight, where it was tuned
    scores: Sequence[dict[str, Any]] = ()  # rows of scores.csv, of the bandit none


class Comparison(NamedTuple):
    """Rows of the tables, and the detectors' errors on the tasks of these rows."""

    rows: list[Row]
    false_positives: FalsePositives
    complaints: list[str]  # diverged seeds and broken bounds


def figures_over_seeds(
    scores: Sequence[Mapping[str, Any]], level: float
) -> dict[str, Interval]:
    """Return the figures of a row from its rows of scores.csv.

    Args:
      scores: of each seed; None and NaN count as unknown.
      level: of the CVaR.
    """

    def column(name: str) -> np.ndarray:
        return np.array([score[name] for score in scores], np.float64)

    columns = {"mean": column("mean"), "cvar": column(f"cvar_{level:g}")}
    columns |= {name: column(name) for name in ("risky_share", *DETECTED)}
    return {name: seeds_interval(name, values) for name, values in columns.items()}


def score_columns(
    statistics: Mapping[str, np.ndarray],
    ood_rates: Mapping[str, np.ndarray],
    episodes: Episodes,
    level: float,
) -> dict[str, np.ndarray]:
    """Return what scores.csv says of the episodes of each seed [P].

    Args:
      statistics: mean, cvar and risky_share of each seed's episodes [P].
      ood_rates: rates of OOD actions by detector [P].
      episodes: of every seed, [P, M]; failed ones are left out.
      level: of the CVaR.
    """
    kept = ~episodes.failed
    num_kept = kept.sum(axis=-1)
    sums = np.where(kept, episodes.base_return, 0.0).sum(axis=-1)
    return {
        "episodes": num_kept,
        "mean": statistics["mean"],
        f"cvar_{level:g}": statistics["cvar"],
        "risky_share": statistics["risky_share"],
        **{f"ood_{name}": rates for name, rates in ood_rates.items()},
        "base_mean": np.divide(
            sums, num_kept, out=np.full(len(sums), np.nan), where=num_kept > 0
        ),
    }


def score_rows(
    plan: Plan, run: Mapping[str, Any], columns: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """Return the rows of scores.csv, one for each seed of a run.

    Args:
      plan: of the run.
      run: its run.json.
      columns: of each seed [P].
    """
    options, hyperparams = plan.options, plan.options.hyperparams
    common = {
        "temperature": options.evaluation.acting_temperature,
        "candidates": options.evaluation.acting_num_candidates,
        "risk_weight": hyperparams.risk_weight,
        "conservative_weight": hyperparams.conservative_weight,
        "bc_updates": options.training.bc_steps,
        "updates": options.training.num_steps,
        "commit": run.get("git_commit"),
        "data_sha256": " ".join(x["sha256"] for x in run["datasets"]),
    }
    return [
        {"task": plan.task, "agent": plan.agent, "seed": seed}
        | {name: values[row].item() for name, values in columns.items()}
        | common
        for row, seed in enumerate(run["seeds"])
    ]


def kinds_of_score(level: float) -> dict[str, Any]:
    """Return the columns of scores.csv and what each holds, as `fits` checks it."""
    words = ("task", "agent", "data_sha256")
    counts = ("seed", "episodes", "candidates", "bc_updates", "updates")
    numbers = ("mean", f"cvar_{level:g}", "risky_share", "base_mean", "temperature")
    weights = ("risk_weight", "conservative_weight")
    return {
        **dict.fromkeys(words, str),
        **dict.fromkeys(counts, int),
        **dict.fromkeys((*numbers, *DETECTED, *weights), NUMBER),
        "commit": str | None,
    }


def tune_factors(plan: Plan, factors: Sequence[float]) -> list[float]:
    """Return the factors that an agent tries; none for an agent without a weight."""
    return sorted(factors) if plan.weight is not None else []


def bandit_row(policy: Mapping[str, Any]) -> Row:
    """Return the row of a policy of bandit.json, where the ring is the risky part."""
    seeds = policy["seeds"]
    columns = {name: np.array([seed[name] for seed in seeds]) for name in seeds[0]}
    columns["risky_share"] = columns["ring"]
    names = ("mean", "cvar", "risky_share", *OOD_RATES)
    figures = {name: seeds_interval(name, columns[name]) for name in names}
    return Row(
        task=BANDIT,
        agent=policy["name"],
        figures=figures,
        num_seeds=len(seeds),
        frozen=len(policy["diverged"]),
    )
