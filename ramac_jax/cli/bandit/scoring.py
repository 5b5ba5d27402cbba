"""Scores of actions on the bandit: rewards, shares of the modes, and detectors."""

from typing import Any

import numpy as np

import ramac_jax as rj
from ramac_jax.cli.bandit.settings import RISK_LEVEL
from ramac_jax.envs import bandit
from ramac_jax.evaluation import cvar
from ramac_jax.evaluation.ood_evaluator import OODEvaluator, make_ood_evaluator

NUM_SAMPLES = 20_000  # actions of each seed behind every number


def out_of_distribution(actions: np.ndarray) -> np.ndarray:
    """Return whether each action [..., 2] truly lies outside both modes."""
    return ~(bandit.on_ring(actions) | bandit.in_centre(actions))


def score(actions: np.ndarray, rewards: np.ndarray) -> dict[str, float]:
    """Score actions [M, 2] with rewards [M]: mean, CVaR, and share of each mode."""
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
    """Score each seed's actions [num_seeds, M, 2], with the detectors' OOD rates."""
    flagged = ood_evaluator.flagged(actions[:, : len(ood_evaluator.held_out.reward)])
    scores = []
    for number, each in enumerate(actions):
        rates = {f"ood_{name}": float(x[number]) for name, x in flagged.items()}
        scores.append(score(each, bandit.draw_rewards(each, rng)) | rates)
    return scores


def bandit_ood_evaluator(dataset: rj.Transition) -> OODEvaluator:
    """Build the detectors; the observation is constant, so all data are neighbours."""
    size = len(dataset.reward)
    return make_ood_evaluator(dataset, num_neighbours=size, held_out_every=4)


def score_detectors(
    ood_evaluator: OODEvaluator, seed: int
) -> dict[str, dict[str, float]]:
    """Score each detector on actions drawn uniformly in the box.

    Precision depends on the base rate, the share that is truly out of distribution.
    """
    rng = np.random.default_rng([seed, 2])
    actions: Any = rng.uniform(-1.0, 1.0, (len(ood_evaluator.held_out.reward), 2))
    truth = out_of_distribution(actions)
    false_positive_rates = ood_evaluator.false_positive_rates()
    scores = {}
    for name, detector in ood_evaluator.detectors.items():
        flagged = detector(ood_evaluator.held_out.observation, actions)
        scores[name] = {
            "precision": float(truth[flagged].mean()),
            "recall": float(flagged[truth].mean()),
            "base_rate": float(truth.mean()),
            "false_positive_rate": false_positive_rates[name],
        }
    return scores
