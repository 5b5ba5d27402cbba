"""The figures of the bandit, from what its agents did."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ramac_jax.cli.bandit.agents import RECIPES
from ramac_jax.cli.bandit.scoring import out_of_distribution
from ramac_jax.cli.bandit.training import DYNAMIC, Learned, Trainer
from ramac_jax.cli.reporting.figures.bandit import draw_dynamics, draw_panels
from ramac_jax.cli.reporting.figures.theory import draw_theory
from ramac_jax.envs import bandit


def draw_all(
    trainer: Trainer,
    learned: Mapping[str, Learned],
    panels: Mapping[str, tuple[np.ndarray, Mapping[str, float]]],
    bounds: Mapping[str, Any],
) -> dict[str, Figure]:
    """Draw what the agents have to show, by the names of the files.

    Args:
      trainer: of the agents.
      learned: every agent by name.
      panels: "data" and every agent by name -> actions [M, 2] and their score.
      bounds: what bandit.json holds as "theory".
    """
    titles = {name: recipe.title for name, recipe in RECIPES.items()}
    titled = {titles.get(name, "Data"): panel for name, panel in panels.items()}
    figures = {"bandit.png": draw_panels(titled)}
    clones = [name for name in learned if RECIPES[name].critic is None]
    if clones:
        some = {"Data": panels["data"]} | {titles[x]: panels[x] for x in clones}
        figures["cloning.png"] = draw_panels(some, columns=2)
    if shown := [name for name in DYNAMIC if name in learned]:
        strips = {titles[name]: strip(trainer, name, learned[name]) for name in shown}
        curves = {titles[name]: shares(learned[name]) for name in shown}
        figures["dynamics.png"] = draw_dynamics(strips, curves)
    figures["theory.png"] = draw_theory(bounds, titles)
    return figures


def strip(
    trainer: Trainer, name: str, learned: Learned
) -> list[tuple[str, np.ndarray]]:
    """What the first seed's agent did: twice while cloning, thrice after."""
    cloning = trainer.clone(str(RECIPES[name].model)).history.watched
    seeking = learned.trained.history.watched
    found = []
    for what, rows, places in (("BC", cloning, (0, -1)), ("", seeking, (0, 1, -1))):
        for place in places:
            row = min(place, len(rows["step"]) - 1)
            when = f"{what or '+ risk'} {rows['step'][row]:,}"
            found.append((when, rows["actions"][row, 0]))
    return found


def shares(learned: Learned) -> tuple[np.ndarray, np.ndarray]:
    """Updates with the risk term, and the shares of ring, centre and gap after them."""
    rows = learned.trained.history.watched
    modes = (bandit.on_ring, bandit.in_centre, out_of_distribution)
    parts = [[mode(each).mean() for mode in modes] for each in rows["actions"]]
    return rows["step"], np.array(parts)
