"""What the agents of the bandit do: shares, rewards, detectors, and their table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

import ramac_jax as rj
from ramac_jax.cli.bandit.agents import RECIPES, RISK_LEVEL
from ramac_jax.cli.reporting.tables import cell
from ramac_jax.envs import bandit
from ramac_jax.evaluation import cvar
from ramac_jax.evaluation.ood_evaluator import OODEvaluator, make_ood_evaluator
from ramac_jax.population import Interval

NUM_SAMPLES = 20_000  # actions per seed behind every figure
COLUMNS = {
    "mean": ("mean reward", 1.0),
    "cvar": (f"CVaR_{RISK_LEVEL:g}", 1.0),
    "ring": ("ring, %", 100.0),
    "centre": ("centre, %", 100.0),
    "ood": ("OOD, %", 100.0),
}
"""What the table shows of a score: its title, and the unit in which it is told."""


def out_of_distribution(actions: np.ndarray) -> np.ndarray:
    """Whether each action [..., 2] lies outside both modes: the truth."""
    return ~(bandit.on_ring(actions) | bandit.in_centre(actions))


def score(actions: np.ndarray, rewards: np.ndarray) -> dict[str, float]:
    """What actions [M, 2] with rewards [M] earned, and which shares went where."""
    return {
        "mean": float(rewards.mean()),
        "cvar": float(cvar(rewards, RISK_LEVEL)),
        "ring": float(bandit.on_ring(actions).mean()),
        "centre": float(bandit.in_centre(actions).mean()),
        "ood": float(out_of_distribution(actions).mean()),
    }


def score_seeds(
    actions: np.ndarray, rng: np.random.Generator, ood_evaluator: OODEvaluator
) -> list[dict[str, float]]:
    """The score of each seed's actions [num_seeds, M, 2], the detectors' too."""
    flagged = ood_evaluator.flagged(actions[:, : len(ood_evaluator.held_out.reward)])
    scores = []
    for number, each in enumerate(actions):
        rates = {f"ood_{name}": float(x[number]) for name, x in flagged.items()}
        scores.append(score(each, bandit.draw_rewards(each, rng)) | rates)
    return scores


def bandit_ood_evaluator(dataset: rj.Transition) -> OODEvaluator:
    """The detectors; the one observation says nothing, so that all data are asked."""
    size = len(dataset.reward)
    return make_ood_evaluator(dataset, num_neighbours=size, held_out_every=4)


def detection(ood_evaluator: OODEvaluator, seed: int) -> dict[str, dict[str, float]]:
    """How right each detector is about actions drawn uniformly in the box.

    Precision says little without the base rate, the share that is truly out.
    """
    rng = np.random.default_rng([seed, 2])
    actions: Any = rng.uniform(-1.0, 1.0, (len(ood_evaluator.held_out.reward), 2))
    truly = out_of_distribution(actions)
    false_positive_rates, found = ood_evaluator.false_positive_rates(), {}
    for name, detector in ood_evaluator.detectors.items():
        flagged = detector(ood_evaluator.held_out.observation, actions)
        found[name] = {
            "precision": float(truly[flagged].mean()),
            "recall": float(flagged[truly].mean()),
            "base_rate": float(truly.mean()),
            "false_positive_rate": false_positive_rates[name],
        }
    return found


def detection_table(found: Mapping[str, Mapping[str, float]]) -> Table:
    """Precision and recall of each detector, and its errors on the data's actions."""
    made = Table(title="Detectors of out-of-distribution actions, uniform actions, %")
    titles = ("precision", "recall", "base rate", "false positives, held-out data")
    for title in ("detector", *titles):
        made.add_column(title)
    for name, rates in found.items():
        made.add_row(name, *(f"{100.0 * rate:.1f}" for rate in rates.values()))
    return made


def spread(values: Sequence[float]) -> Interval:
    """Mean, lowest and highest."""
    return Interval(float(np.mean(values)), min(values), max(values))


def table(data: Mapping[str, float], policies: Sequence[Mapping[str, Any]]) -> Table:
    """Every policy's figures: mean over seeds, and lowest to highest seed."""
    size = f"{NUM_SAMPLES} samples per seed, [lowest, highest seed]"
    made = Table(title=f"The risky bandit: {size}")
    made.add_column("policy")
    for title, _ in COLUMNS.values():
        made.add_column(title, justify="right")
    made.add_row("data", *(f"{unit * data[k]:.2f}" for k, (_, unit) in COLUMNS.items()))
    for policy in policies:
        seeds = policy["seeds"]
        cells = [
            cell(spread([seed[name] for seed in seeds]), unit, "\n")
            for name, (_, unit) in COLUMNS.items()
        ]
        made.add_row(RECIPES[policy["name"]].title, *cells)
    return made
