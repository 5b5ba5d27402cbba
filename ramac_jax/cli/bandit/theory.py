"""The paper's proposition 1 and the stability of the CVaR, checked on the bandit.

Every bound is computed from one half of a policy's actions, and the bounded quantity is
measured on the other half. A measurement breaks a bound if it passes the bound by more
than chance.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

import ramac_jax as rj
from ramac_jax.cli.bandit.scoring import out_of_distribution
from ramac_jax.cli.bandit.settings import RISK_LEVEL
from ramac_jax.envs import bandit
from ramac_jax.evaluation import bounds, cvar

NUM_ANGLES = 8
CENTRE_RINGS, RING_RINGS = 1, 2  # rings of cells in each mode
DEVIATIONS = 4.0  # standard deviations by which chance may pass a bound


def cell_edges() -> np.ndarray:
    """Return the radii between the rings of cells, including the modes' edges."""
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
    """Return the exact share of the behaviour in every cell [C].

    The last cell is the rest of the box.
    """
    rings = np.maximum(np.diff(bandit.radius_cdf(cell_edges())), 0.0)
    cells = np.repeat(rings / NUM_ANGLES, NUM_ANGLES)
    return np.append(cells, 0.0) / cells.sum()


def policy_shares(actions: np.ndarray) -> np.ndarray:
    """Return the share of a policy's actions [M, 2] in the same cells [C]."""
    edges = cell_edges()
    ring = np.searchsorted(edges, np.linalg.norm(actions, axis=-1), side="left") - 1
    angle = np.arctan2(actions[:, 1], actions[:, 0]) / (2.0 * np.pi) % 1.0
    sector = np.minimum((angle * NUM_ANGLES).astype(int), NUM_ANGLES - 1)
    size = (len(edges) - 1) * NUM_ANGLES
    cell = np.maximum(ring, 0) * NUM_ANGLES + sector
    cell = np.where(out_of_distribution(actions), size, cell)
    return np.bincount(cell, minlength=size + 1) / len(actions)


def halves(actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into the even and the odd ones."""
    return actions[::2], actions[1::2]


def check_policy(
    counted: np.ndarray, measured: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """Check proposition 1 and the stability of the CVaR for one policy.

    Args:
      counted: actions [M, 2] that give KL(beta || pi) over the cells. Cells lower the
        divergence, counting raises it by about C / 2 M; it is inf if a cell is missed.
      measured: other actions [M, 2] that give the OOD rate and the CVaR.
      rng: generator of the rewards of these actions.

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
    """Return how far two rates over `size` actions each may differ by chance."""
    return DEVIATIONS * float(np.sqrt(2.0 * max(rate, 1.0 / size) / size))


def cvar_chance(rewards: np.ndarray) -> float:
    """Return how far the CVaR of rewards [M] may be from the true CVaR by chance."""
    threshold = np.quantile(rewards, RISK_LEVEL)
    shortfall = np.maximum(threshold - rewards, 0.0) / RISK_LEVEL
    return DEVIATIONS * float(shortfall.std() / np.sqrt(len(rewards)))


def broken(theory: Mapping[str, Any]) -> list[str]:
    """Name the policies, seeds and radii that break a bound."""
    names = [
        f"{name}, seed {number}"
        for name, seeds in theory["policies"].items()
        for number, seed in enumerate(seeds)
        if not seed["holds"]
    ]
    for name, rows in theory["leakage"].items():
        names += [f"{name}, radius {x['radius']:g}" for x in rows if not x["holds"]]
    return names
