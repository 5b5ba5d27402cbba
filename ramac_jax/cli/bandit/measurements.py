"""Scores of the agents of the bandit, and the paper's bounds on them."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from ramac_jax.cli.agents import AGENTS
from ramac_jax.cli.bandit import leakage, scoring, theory
from ramac_jax.cli.bandit.settings import RADIUS
from ramac_jax.cli.bandit.training import TrainedAgent, Trainer

RANDOM_ANCHORS = "uniform"  # anchors of the data, moved at random
RANDOM_RADII = (0.05, 0.1, 0.25, 0.5, 1.0)  # of the random moves

Actions = Mapping[str, np.ndarray]
"""Actions [num_seeds, M, 2] of every agent by name."""


def draw_actions(trained: TrainedAgent, size: int, seed: int) -> np.ndarray:
    """Draw actions [num_seeds, size, 2] of every seed's agent."""
    states = trained.trained.states
    keys = jax.random.split(jax.random.key(seed), len(states.step))
    act = jax.jit(jax.vmap(trained.agent.act, in_axes=(0, None, 0)))
    return np.asarray(act(states, jnp.zeros((size, 1)), keys))


def draw_perturbed_actions(
    trainer: Trainer, actions: Actions, radii: Sequence[float]
) -> dict[str, dict[float, np.ndarray]]:
    """Draw actions of every perturbed agent by its radius, and train where needed."""
    perturbed: dict[str, dict[float, np.ndarray]] = {}
    for name in [x for x in actions if AGENTS[x].role == "prior"]:
        perturbed[name] = {RADIUS: actions[name]}
        for radius in [x for x in radii if x != RADIUS]:
            trained = trainer.train(name, radius)
            drawn = draw_actions(trained, actions[name].shape[1], trainer.seed)
            perturbed[name][radius] = drawn
    return perturbed


def measure_scores(
    dataset: rj.Transition,
    trained: Mapping[str, TrainedAgent],
    actions: Actions,
    seed: int,
) -> dict[str, Any]:
    """Score the data and the agents, and check the detectors of OOD actions."""
    ood_evaluator = scoring.bandit_ood_evaluator(dataset)
    rng = np.random.default_rng([seed, 1])  # not the stream of the dataset
    policies = [
        {
            "name": name,
            "seeds": scoring.score_seeds(drawn, rng, ood_evaluator),
            "diverged": trained[name].diverged,
        }
        for name, drawn in actions.items()
    ]
    data = scoring.score(np.asarray(dataset.action), np.asarray(dataset.reward))
    return {
        "policies": policies,
        "data": data,
        "detection": scoring.score_detectors(ood_evaluator, seed),
    }


def measure_bounds(
    actions: Actions, perturbed: Mapping[str, Mapping[float, np.ndarray]], seed: int
) -> dict[str, Any]:
    """Measure every bound of the paper, for every policy and radius."""
    rng = np.random.default_rng([seed, 4])
    radii = {RADIUS, *RANDOM_RADII}.union(*perturbed.values())
    leaks = {RANDOM_ANCHORS: [leakage.uniform_leakage(x, seed) for x in sorted(radii)]}
    for name, by_radius in perturbed.items():
        leaks[name] = [
            leakage.check_leakage(*theory.halves(drawn.reshape(-1, 2)), radius)
            for radius, drawn in sorted(by_radius.items())
        ]
    return {
        "policies": {
            name: [theory.check_policy(*theory.halves(each), rng) for each in drawn]
            for name, drawn in actions.items()
        },
        "leakage": leaks,
    }
