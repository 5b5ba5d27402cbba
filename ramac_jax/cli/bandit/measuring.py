"""What the agents of the bandit are worth, and the paper's bounds on them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import ramac_jax as rj
from ramac_jax.cli.bandit import scoring, theory
from ramac_jax.cli.bandit.agents import RADIUS, RECIPES
from ramac_jax.cli.bandit.training import Learned, Trainer, draw_actions

UNIFORM = "uniform"  # anchors of the data, moved at random
RANDOM_RADII = (0.05, 0.1, 0.25, 0.5, 1.0)  # by which they are moved

Actions = Mapping[str, np.ndarray]
"""Of every agent by name, [num_seeds, M, 2]."""


def perturbed_actions(
    trainer: Trainer, actions: Actions, radii: Sequence[float]
) -> dict[str, dict[float, np.ndarray]]:
    """Actions of every perturbed agent by its radius; trained for the others."""
    perturbed: dict[str, dict[float, np.ndarray]] = {}
    for name in [x for x in actions if RECIPES[x].model_is == "prior"]:
        perturbed[name] = {RADIUS: actions[name]}
        for radius in [x for x in radii if x != RADIUS]:
            learned = trainer.train(name, radius)
            drawn = draw_actions(learned, actions[name].shape[1], trainer.seed)
            perturbed[name][radius] = drawn
    return perturbed


def measure_worth(
    dataset: rj.Transition, learned: Mapping[str, Learned], actions: Actions, seed: int
) -> dict[str, Any]:
    """What data and agents earn, how often they leave the data, and who tells it."""
    ood_evaluator = scoring.bandit_ood_evaluator(dataset)
    rng = np.random.default_rng([seed, 1])  # not the stream of the dataset
    policies = [
        {
            "name": name,
            "seeds": scoring.score_seeds(drawn, rng, ood_evaluator),
            "diverged": learned[name].frozen,
        }
        for name, drawn in actions.items()
    ]
    data = scoring.score(np.asarray(dataset.action), np.asarray(dataset.reward))
    return {
        "policies": policies,
        "data": data,
        "detection": scoring.detection(ood_evaluator, seed),
    }


def measure_theory(
    actions: Actions, perturbed: Mapping[str, Mapping[float, np.ndarray]], seed: int
) -> dict[str, Any]:
    """Every bound of the paper, for every policy and radius."""
    rng = np.random.default_rng([seed, 4])
    radii = {RADIUS, *RANDOM_RADII}.union(*perturbed.values())
    leakage = {UNIFORM: [theory.uniform_leakage(x, seed) for x in sorted(radii)]}
    for name, by_radius in perturbed.items():
        leakage[name] = [
            theory.check_leakage(*theory.halves(drawn.reshape(-1, 2)), radius)
            for radius, drawn in sorted(by_radius.items())
        ]
    return {
        "policies": {
            name: [theory.check_policy(*theory.halves(each), rng) for each in drawn]
            for name, drawn in actions.items()
        },
        "leakage": leakage,
    }
