"""Rows of a comparison: the statistics of one agent on one task."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ramac_jax.cli.options.compare import Plan
from ramac_jax.evaluation import Episodes, Interval, mean_interval

BANDIT = "bandit"
OOD_RATES = ("ood_nearest", "ood_density", "ood")
"""OOD rates by each detector, and the true one, which only the bandit has."""


class Row(NamedTuple):
    """The statistics of an agent on a task."""

    task: str
    agent: str
    figures: dict[str, Interval]  # mean, cvar, risky_share and some of `OOD_RATES`
    num_seeds: int
    frozen: int = 0  # seeds that diverged
    acting: str = ""  # acting options in words; "": as trained
    num_episodes: int | None = None  # of each seed; None: samples of the bandit
    scores: Sequence[dict[str, Any]] = ()  # rows of scores.csv, of the bandit none


def run_row(
    task: str,
    agent: str,
    statistics: Mapping[str, np.ndarray],
    ood_rates: Mapping[str, np.ndarray],
    frozen: int,
) -> Row:
    """Return the row of a run.

    Args:
      task: of the run.
      agent: of the run.
      statistics: mean, cvar and risky_share of each seed's episodes [P].
      ood_rates: rates of OOD actions by detector [P].
      frozen: number of seeds that diverged.
    """
    figures = {name: mean_interval(statistics[name]) for name in ("mean", "cvar")}
    figures["risky_share"] = share_interval(statistics["risky_share"])
    figures |= {f"ood_{name}": share_interval(x) for name, x in ood_rates.items()}
    return Row(
        task=task,
        agent=agent,
        figures=figures,
        num_seeds=len(statistics["mean"]),
        frozen=frozen,
    )


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


def bandit_row(policy: Mapping[str, Any]) -> Row:
    """Return the row of a policy of bandit.json, where the ring is the risky part."""
    seeds = policy["seeds"]
    columns = {name: np.array([seed[name] for seed in seeds]) for name in seeds[0]}
    figures = {name: mean_interval(columns[name]) for name in ("mean", "cvar")}
    figures["risky_share"] = share_interval(columns["ring"])
    figures |= {name: share_interval(columns[name]) for name in OOD_RATES}
    return Row(
        task=BANDIT,
        agent=policy["name"],
        figures=figures,
        num_seeds=len(seeds),
        frozen=len(policy["diverged"]),
    )


def share_interval(values: np.ndarray) -> Interval:
    """Return the mean of shares [P] with its interval over seeds, within [0, 1]."""
    return mean_interval(values).clipped(0.0, 1.0)
