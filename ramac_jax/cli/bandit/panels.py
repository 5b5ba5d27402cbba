"""Figures of the bandit, from the actions of its agents."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ramac_jax.cli.agents import AGENTS
from ramac_jax.cli.bandit.scoring import out_of_distribution
from ramac_jax.cli.bandit.training import ANIMATED, TrainedAgent, Trainer
from ramac_jax.cli.reporting.figures.bandit import draw_dynamics, draw_panels
from ramac_jax.cli.reporting.figures.theory import draw_theory
from ramac_jax.envs import bandit


def draw_all(
    trainer: Trainer,
    trained: Mapping[str, TrainedAgent],
    panels: Mapping[str, tuple[np.ndarray, Mapping[str, float]]],
    bounds: Mapping[str, Any],
) -> dict[str, Figure]:
    """Draw every figure that the trained agents allow, by the names of the files.

    Args:
      trainer: of the agents.
      trained: every agent by name.
      panels: "data" and every agent by name -> actions [M, 2] and their score.
      bounds: the entry "theory" of bandit.json.
    """
    titles = {name: config.title for name, config in AGENTS.items()}
    titled = {titles.get(name, "Data"): panel for name, panel in panels.items()}
    figures = {"bandit.png": draw_panels(titled)}
    clones = [name for name in trained if AGENTS[name].critic is None]
    if clones:
        some = {"Data": panels["data"]} | {titles[x]: panels[x] for x in clones}
        figures["cloning.png"] = draw_panels(some, columns=2)
    if animated := [name for name in ANIMATED if name in trained]:
        strips = {titles[x]: snapshots(trainer, x, trained[x]) for x in animated}
        curves = {titles[name]: mode_shares(trained[name]) for name in animated}
        figures["dynamics.png"] = draw_dynamics(strips, curves)
    figures["theory.png"] = draw_theory(bounds, titles)
    return figures


def snapshots(
    trainer: Trainer, name: str, trained: TrainedAgent
) -> list[tuple[str, np.ndarray]]:
    """Return titles and actions of the first seed: 2 snapshots of cloning, 3 after."""
    cloning = trainer.train_clone(str(AGENTS[name].behaviour_model)).history.evaluations
    risk = trained.trained.history.evaluations
    found = []
    for phase, rows, places in (("BC", cloning, (0, -1)), ("+ risk", risk, (0, 1, -1))):
        for place in places:
            row = min(place, len(rows["step"]) - 1)
            found.append((f"{phase} {rows['step'][row]:,}", rows["actions"][row, 0]))
    return found


def mode_shares(trained: TrainedAgent) -> tuple[np.ndarray, np.ndarray]:
    """Return updates with the risk term [R], and shares of ring, centre, gap [R, 3]."""
    rows = trained.trained.history.evaluations
    modes = (bandit.on_ring, bandit.in_centre, out_of_distribution)
    shares = [[mode(each).mean() for mode in modes] for each in rows["actions"]]
    return rows["step"], np.array(shares)
