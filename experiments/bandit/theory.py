"""The paper's theory on the bandit, where the truth is known: measured and bounded.

The behaviour's share of every cell is exact, a policy's is counted in samples. Cells
only lower KL(beta || pi), and with it the bounds: what holds here holds for densities.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.table import Table

from experiments.bandit.agents import RECIPES, RISK_LEVEL
from experiments.bandit.scoring import out_of_distribution
from ramac_jax.evaluation import bounds
from ramac_jax.tasks import bandit

NUM_ANGLES = 24
CENTRE_RADII, RING_RADII = 3, 6  # rings of cells in each mode
DEVIATIONS = 4.0  # of counting, by which a measurement may pass its bound by chance
ANCHORS = 200
MOVES = 100  # of each anchor, at random
GRID = 0.1  # side of the square cells in which the density of a policy is counted


def radii() -> np.ndarray:
    """Edges of the rings of cells, those of the modes among them."""
    constants = bandit.CONSTANTS
    reach = constants.reach * constants.ring_spread
    low, high = constants.ring_radius - reach, constants.ring_radius + reach
    centre = np.linspace(
        0.0, constants.reach * constants.centre_spread, CENTRE_RADII + 1
    )
    return np.concatenate([centre, np.linspace(low, high, RING_RADII + 1)])


def behaviour_shares(num_angles: int = NUM_ANGLES) -> np.ndarray:
    """beta's share of every cell [R * num_angles + 1], of the rest of the box last."""
    rings = np.diff(bandit.radius_cdf(radii()))
    cells = np.repeat(np.maximum(rings, 0.0) / num_angles, num_angles)
    return np.append(cells, 0.0) / cells.sum()


def policy_shares(actions: np.ndarray, num_angles: int = NUM_ANGLES) -> np.ndarray:
    """A policy's share of the same cells, counted over its actions [M, 2]."""
    edges = radii()
    ring = np.searchsorted(edges, np.linalg.norm(actions, axis=-1), side="left") - 1
    angle = np.arctan2(actions[:, 1], actions[:, 0]) / (2.0 * np.pi) % 1.0
    sector = np.minimum((angle * num_angles).astype(int), num_angles - 1)
    size = (len(edges) - 1) * num_angles
    cell = np.maximum(ring, 0) * num_angles + sector
    cell = np.where(out_of_distribution(actions), size, cell)
    return np.bincount(cell, minlength=size + 1) / len(actions)


def mode_shares(shares: np.ndarray) -> np.ndarray:
    """Shares of the cells -> of the centre, the gap's cells, the ring and the rest."""
    rings = shares[:-1].reshape(len(radii()) - 1, -1).sum(axis=1)
    parts = np.split(rings, [CENTRE_RADII, CENTRE_RADII + 1])
    return np.append([part.sum() for part in parts], shares[-1])


def check_policy(actions: np.ndarray) -> dict[str, Any]:
    """Proposition 1 and the stability of the CVaR, for the actions [M, 2] of a policy.

    "divergence" is KL(beta || pi) over all cells, inf where pi misses one;
    "least_divergence" over the modes alone, by which both bounds are smallest, and must
    hold all the more.
    """
    shares = policy_shares(actions)
    modes, beta_modes = mode_shares(shares), mode_shares(behaviour_shares())
    divergence = bounds.kl_divergence(behaviour_shares(), shares)
    least = bounds.kl_divergence(beta_modes, modes)
    centre, _, ring, ood = modes
    low, high = bandit.reward_range()
    gap = abs(
        bandit.cvar_of_shares(beta_modes[2], beta_modes[0], RISK_LEVEL)
        - bandit.cvar_of_shares(ring, centre, RISK_LEVEL)
    )
    gap_bound = bounds.cvar_gap_bound(least, RISK_LEVEL, low, high)
    return {
        "ood": float(ood),
        "divergence": divergence,
        "ood_bound": bounds.ood_rate_bound(divergence),
        "least_divergence": least,
        "least_ood_bound": bounds.ood_rate_bound(least),
        "cvar_gap": gap,
        "cvar_gap_bound": bounds.cvar_gap_bound(divergence, RISK_LEVEL, low, high),
        "least_cvar_gap_bound": gap_bound,
        "holds": bool(ood <= bounds.ood_rate_bound(least) + 1e-9 and gap <= gap_bound),
    }


def check_leakage(actions: np.ndarray, radius: float) -> dict[str, Any]:
    """Lemma 4.1 for the actions [M, 2] of a policy that perturbs within a radius.

    The ball is that of the perturbation: a square of half side `radius`, on the grid's
    cells that lie in it whole. Of all anchors the one with the largest bound counts.
    """
    edges = np.linspace(-1.0, 1.0, round(2.0 / GRID) + 1)
    counts, _, _ = np.histogram2d(actions[:, 0], actions[:, 1], bins=[edges, edges])
    density = counts / len(actions) / GRID**2
    outside = GRID**2 * cells_outside(edges)
    best = 0.0
    for anchor in bandit.draw_actions(ANCHORS, np.random.default_rng(0)):
        inside = [
            (edges[:-1] >= x - radius) & (edges[1:] <= x + radius) for x in anchor
        ]
        ball = np.ix_(*inside)
        if density[ball].size:
            found = bounds.leakage_bound(density[ball].min(), outside[ball].sum())
            best = max(best, float(found))
    leaked = float(out_of_distribution(actions).mean())
    return {
        "radius": radius,
        "leakage": leaked,
        "bound": best,
        "holds": bool(leaked >= best - 1e-9),
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
    slack = DEVIATIONS * np.sqrt(leaked * (1.0 - leaked) / (size * MOVES))
    return {
        "radius": radius,
        "leakage": leaked,
        "bound": bound,
        "holds": bool(leaked >= bound - slack),
    }


def table(theory: Mapping[str, Any]) -> Table:
    """Measured beside bounded: the mean over the seeds of every policy."""
    made = Table(title="The paper's bounds: measured, bound")
    for title in ("policy", "KL >=", "OOD, %", "1 - exp(-KL), %", "CVaR gap", "bound"):
        made.add_column(title, justify="left" if title == "policy" else "right")
    names = ["least_divergence", "ood", "least_ood_bound"]
    names += ["cvar_gap", "least_cvar_gap_bound"]
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
