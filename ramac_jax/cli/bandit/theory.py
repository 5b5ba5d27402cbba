"""The paper's theory on the bandit, where the truth is known: measured and bounded.

Every bound is computed from one half of a policy's actions, and what it bounds is
measured on the other, so that a measurement can break it by more than chance.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.table import Table

import ramac_jax as rj
from ramac_jax.cli.bandit.agents import RECIPES, RISK_LEVEL
from ramac_jax.cli.bandit.scoring import out_of_distribution
from ramac_jax.envs import bandit
from ramac_jax.evaluation import bounds, cvar

NUM_ANGLES = 8
CENTRE_RINGS, RING_RINGS = 1, 2  # rings of cells in each mode
DEVIATIONS = 4.0  # of counting, by which a measurement may pass its bound by chance
ANCHORS = 200
MOVES = 100  # of each anchor, at random
FINEST, COARSEST = 0.02, 0.1  # sides of the cells in which a density is counted


def cell_edges() -> np.ndarray:
    """Radii between the rings of cells, the edges of the modes among them."""
    constants = bandit.CONSTANTS
    centre = constants.reach * constants.centre_spread
    reach = constants.reach * constants.ring_spread
    low, high = constants.ring_radius - reach, constants.ring_radius + reach
    return np.concatenate(
        [
            np.linspace(0.0, centre, CENTRE_RINGS + 1),
            np.linspace(low, high, RING_RINGS + 1),
        ]
    )


def behaviour_shares() -> np.ndarray:
    """beta's exact share of every cell [C], of the rest of the box last."""
    rings = np.maximum(np.diff(bandit.radius_cdf(cell_edges())), 0.0)
    cells = np.repeat(rings / NUM_ANGLES, NUM_ANGLES)
    return np.append(cells, 0.0) / cells.sum()


def policy_shares(actions: np.ndarray) -> np.ndarray:
    """A policy's share of the same cells [C], counted over its actions [M, 2]."""
    edges = cell_edges()
    ring = np.searchsorted(edges, np.linalg.norm(actions, axis=-1), side="left") - 1
    angle = np.arctan2(actions[:, 1], actions[:, 0]) / (2.0 * np.pi) % 1.0
    sector = np.minimum((angle * NUM_ANGLES).astype(int), NUM_ANGLES - 1)
    size = (len(edges) - 1) * NUM_ANGLES
    cell = np.maximum(ring, 0) * NUM_ANGLES + sector
    cell = np.where(out_of_distribution(actions), size, cell)
    return np.bincount(cell, minlength=size + 1) / len(actions)


def halves(actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The even and the odd rows."""
    return actions[::2], actions[1::2]


def check_policy(
    counted: np.ndarray, measured: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """Proposition 1 and the stability of the CVaR, for one policy.

    Args:
      counted: actions [M, 2], from which KL(beta || pi) over the cells is told. Cells
        lower it, counting raises it by about C / 2 M; inf where a cell is missed.
      measured: other actions [M, 2], whose OOD rate and CVaR are measured.
      rng: of the rewards that these earn.

    Raises `InputError` for actions that are not finite.
    """
    if not (np.isfinite(counted).all() and np.isfinite(measured).all()):
        raise rj.InputError("actions of the policy are not finite: it has diverged")
    divergence = bounds.kl_divergence(behaviour_shares(), policy_shares(counted))
    ood = float(out_of_distribution(measured).mean())
    rewards = bandit.draw_rewards(measured, rng)
    constants, (low, high) = bandit.CONSTANTS, bandit.reward_range()
    share = constants.ring_share
    beta_cvar = bandit.cvar_of_shares(share, 1.0 - share, RISK_LEVEL)
    gap = abs(beta_cvar - float(cvar(rewards, RISK_LEVEL)))
    ood_bound = bounds.ood_rate_bound(divergence)
    gap_bound = bounds.cvar_gap_bound(divergence, RISK_LEVEL, low, high)
    chance = ood_chance(ood, len(measured)), cvar_chance(rewards)
    return {
        "divergence": divergence,
        "ood": ood,
        "ood_bound": ood_bound,
        "cvar_gap": gap,
        "cvar_gap_bound": gap_bound,
        "holds": bool(ood <= ood_bound + chance[0] and gap <= gap_bound + chance[1]),
    }


def ood_chance(rate: float, size: int) -> float:
    """How far two rates, each counted over so many actions, may differ by chance."""
    return DEVIATIONS * float(np.sqrt(2.0 * max(rate, 1.0 / size) / size))


def cvar_chance(rewards: np.ndarray) -> float:
    """How far the CVaR of rewards [M] may be from their distribution's by chance."""
    threshold = np.quantile(rewards, RISK_LEVEL)
    shortfall = np.maximum(threshold - rewards, 0.0) / RISK_LEVEL
    return DEVIATIONS * float(shortfall.std() / np.sqrt(len(rewards)))


def check_leakage(
    counted: np.ndarray, measured: np.ndarray, radius: float
) -> dict[str, Any]:
    """Lemma 4.1 for a policy that perturbs anchors within a radius.

    The ball is that of the perturbation, a square of half side `radius`; p_min is the
    least mean density of the cells that lie in it whole, and the anchor the one of
    `ANCHORS` with the largest bound. A bound of 0 says nothing.

    Args:
      counted: actions [M, 2] that tell the density.
      measured: other actions [M, 2] that tell the leakage.
      radius: Phi.
    """
    side = float(np.clip(0.5 * radius, FINEST, COARSEST))
    edges = np.linspace(-1.0, 1.0, round(2.0 / side) + 1)
    side = float(edges[1] - edges[0])
    counts, _, _ = np.histogram2d(counted[:, 0], counted[:, 1], bins=[edges, edges])
    density = counts / len(counted) / side**2
    outside = side**2 * cells_outside(edges)
    best = 0.0
    for anchor in bandit.draw_actions(ANCHORS, np.random.default_rng(0)):
        inside = [
            (edges[:-1] >= x - radius) & (edges[1:] <= x + radius) for x in anchor
        ]
        ball = np.ix_(*inside)
        if density[ball].size:
            found = bounds.leakage_bound(density[ball].min(), outside[ball].sum())
            best = max(best, float(found))
    leaked = float(out_of_distribution(measured).mean())
    chance = ood_chance(leaked, len(measured))
    return {
        "radius": radius,
        "leakage": leaked,
        "bound": best,
        "holds": bool(leaked >= best - chance),
    }


def cells_outside(edges: np.ndarray, finer: int = 20) -> np.ndarray:
    """Which square cells between edges [G + 1] lie outside both modes entirely [G, G].

    Where a cell is cut by a mode's edge, its mean density bounds neither part's.
    """
    size = len(edges) - 1
    points = np.linspace(edges[0], edges[-1], size * finer + 1)
    points = 0.5 * (points[:-1] + points[1:])
    grid = np.stack(np.meshgrid(points, points, indexing="ij"), axis=-1)
    outside = out_of_distribution(grid).reshape(size, finer, size, finer)
    return np.asarray(outside.all(axis=(1, 3)))


def uniform_leakage(radius: float, seed: int, size: int = 2000) -> dict[str, Any]:
    """Lemma 4.1 where it is tight: anchors of the data, moved uniformly in the square.

    p_min = 1 / (2 radius)^2 wherever the anchor, so that the bound is the mean share of
    the square outside the modes; that is measured by a grid, the leakage by samples.
    """
    rng = np.random.default_rng([seed, 3])
    anchors = bandit.draw_actions(size, rng)[:, None]
    moved = anchors + rng.uniform(-radius, radius, (size, MOVES, 2))
    leaked = float(out_of_distribution(moved).mean())
    steps = radius * (2.0 * (np.arange(40) + 0.5) / 40 - 1.0)
    square = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    area = (2.0 * radius) ** 2
    volume = area * out_of_distribution(anchors + square).mean()
    bound = bounds.leakage_bound(1.0 / area, float(volume))
    return {
        "radius": radius,
        "leakage": leaked,
        "bound": bound,
        "holds": bool(leaked >= bound - ood_chance(leaked, size * MOVES)),
    }


def table(theory: Mapping[str, Any]) -> Table:
    """Measured beside bounded: the mean over the seeds of every policy."""
    made = Table(title="The paper's bounds: measured, bound")
    for title in ("policy", "KL", "OOD, %", "1 - exp(-KL), %", "CVaR gap", "bound"):
        made.add_column(title, justify="left" if title == "policy" else "right")
    names = ("divergence", "ood", "ood_bound", "cvar_gap", "cvar_gap_bound")
    for name, seeds in theory["policies"].items():
        means = [np.mean([seed[x] for seed in seeds]) for x in names]
        units = (1.0, 100.0, 100.0, 1.0, 1.0)
        cells = [f"{unit * x:.3g}" for unit, x in zip(units, means, strict=True)]
        made.add_row(RECIPES[name].title, *cells)
    made.add_section()
    for name, rows in theory["leakage"].items():
        title = RECIPES[name].title if name in RECIPES else "anchors moved at random"
        for row in rows:
            leak, bound = (f"{100.0 * row[x]:.1f}" for x in ("leakage", "bound"))
            made.add_row(f"{title}, radius {row['radius']:g}", "", leak, f">= {bound}")
    return made


def broken(theory: Mapping[str, Any]) -> list[str]:
    """What a measurement breaks, by name and seed; empty where every bound holds."""
    names = [
        f"{name}, seed {number}"
        for name, seeds in theory["policies"].items()
        for number, seed in enumerate(seeds)
        if not seed["holds"]
    ]
    for name, rows in theory["leakage"].items():
        names += [f"{name}, radius {x['radius']:g}" for x in rows if not x["holds"]]
    return names
