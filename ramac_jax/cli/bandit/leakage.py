"""Lemma 4.1 on the bandit: the leakage of policies that perturb anchors."""

from typing import Any

import numpy as np

from ramac_jax.cli.bandit.scoring import out_of_distribution
from ramac_jax.cli.bandit.theory import ood_chance
from ramac_jax.envs import bandit
from ramac_jax.evaluation import bounds

ANCHORS = 200
MOVES = 100  # random moves of each anchor
FINEST, COARSEST = 0.02, 0.1  # sides of the cells of a density


def check_leakage(
    counted: np.ndarray, measured: np.ndarray, radius: float
) -> dict[str, Any]:
    """Check lemma 4.1 for a policy that perturbs anchors within a radius.

    The ball of the lemma is the perturbation's: a square of half side `radius` about an
    anchor. p_min is the least mean density of the cells that lie entirely within the
    square. Of `ANCHORS` anchors, the one with the largest bound counts. A bound of 0 is
    no restriction.

    Args:
      counted: actions [M, 2] that give the density.
      measured: other actions [M, 2] that give the leakage.
      radius: Phi, the largest move of each coordinate.
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
    """Return which square cells between edges [G + 1] lie outside both modes [G, G].

    A cell that an edge of a mode cuts does not count: the mean density of the cell
    bounds the density of neither part.
    """
    size = len(edges) - 1
    points = np.linspace(edges[0], edges[-1], size * finer + 1)
    points = 0.5 * (points[:-1] + points[1:])
    grid = np.stack(np.meshgrid(points, points, indexing="ij"), axis=-1)
    outside = out_of_distribution(grid).reshape(size, finer, size, finer)
    return np.asarray(outside.all(axis=(1, 3)))


def uniform_leakage(radius: float, seed: int, size: int = 2000) -> dict[str, Any]:
    """Check lemma 4.1 where it is tight: anchors moved uniformly within the square.

    p_min = 1 / (2 radius)^2 for every anchor, so the bound is the mean share of the
    square outside the modes. A grid gives the bound, samples give the leakage.
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
