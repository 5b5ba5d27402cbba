"""The risky bandit: a ring with a high mean reward, a centre with a safe one.

Actions lie in [-1, 1]^2 and the observation is constant. With `CONSTANTS` the reward on
the ring is 1.4 on average and -4 over its worst tenth; in the centre it is 1, and
elsewhere 0. The best risk-neutral policy acts on the ring, the best CVaR_0.1 policy in
the centre.
"""

import itertools
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import scipy.optimize
import scipy.stats


class Constants(NamedTuple):
    """The constants of the bandit; lengths are in units of the actions."""

    ring_radius: float = 0.8
    ring_spread: float = 0.05  # standard deviation of the radius
    centre_spread: float = 0.1  # standard deviation of each coordinate
    reach: float = 3.0  # a mode ends this many spreads from its middle
    ring_share: float = 0.8  # of the samples
    ring_reward: float = 2.0
    penalty_reward: float = -10.0  # on the ring instead of ring_reward ...
    penalty_probability: float = 0.05  # ... with this probability
    centre_reward: float = 1.0
    reward_noise: float = 0.05  # standard deviation inside both modes
    num_samples: int = 10_000


CONSTANTS = Constants()
WITHIN = 1.0 - 1e-4
"""Part of the reach that samples use, so that float32 rounds none beyond it."""


def on_ring(action: np.ndarray, constants: Constants = CONSTANTS) -> np.ndarray:
    """Return whether each action [..., 2] is on the ring."""
    distance = np.abs(np.linalg.norm(action, axis=-1) - constants.ring_radius)
    inside: np.ndarray = distance <= constants.reach * constants.ring_spread
    return inside


def in_centre(action: np.ndarray, constants: Constants = CONSTANTS) -> np.ndarray:
    """Return whether each action [..., 2] is in the centre."""
    distance = np.linalg.norm(action, axis=-1)
    inside: np.ndarray = distance <= constants.reach * constants.centre_spread
    return inside


def draw_rewards(
    action: np.ndarray, rng: np.random.Generator, constants: Constants = CONSTANTS
) -> np.ndarray:
    """Draw a reward for each action [..., 2]; exactly 0 outside both modes."""
    ring, centre = on_ring(action, constants), in_centre(action, constants)
    penalised = rng.random(ring.shape) < constants.penalty_probability
    noise = constants.reward_noise * rng.standard_normal(ring.shape)
    ring_reward = np.where(penalised, constants.penalty_reward, constants.ring_reward)
    paid = np.where(ring, ring_reward, constants.centre_reward) + noise
    return np.where(ring | centre, paid, 0.0)


def draw_actions(
    size: int, rng: np.random.Generator, constants: Constants = CONSTANTS
) -> np.ndarray:
    """Draw actions [size, 2] of the behaviour policy, each in one of the two modes."""
    on_the_ring = rng.random(size) < constants.ring_share
    angle = rng.uniform(0.0, 2.0 * np.pi, size)
    radius = constants.ring_radius + constants.ring_spread * truncated_normal(
        rng, size, 1, constants.reach
    )
    ring = radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    centre = constants.centre_spread * truncated_normal(rng, size, 2, constants.reach)
    return np.where(on_the_ring[:, None], ring, centre).astype(np.float32)


def truncated_normal(
    rng: np.random.Generator, size: int, dim: int, reach: float
) -> np.ndarray:
    """Draw standard normal vectors [size, dim] of length below `WITHIN` x `reach`."""
    limit = reach * WITHIN
    draws = rng.standard_normal((size, dim))
    while (outside := np.linalg.norm(draws, axis=-1) > limit).any():
        draws[outside] = rng.standard_normal((outside.sum(), dim))
    return draws


def radius_cdf(radius: np.ndarray, constants: Constants = CONSTANTS) -> np.ndarray:
    """Return the behaviour's probability of an action no longer than each radius [...].

    Exact: the length is a truncated normal on the ring and a truncated Rayleigh in the
    centre.
    """
    reach = constants.reach * WITHIN
    apart = (np.asarray(radius) - constants.ring_radius) / constants.ring_spread
    inside = scipy.stats.truncnorm.cdf(apart, -reach, reach)
    length = np.clip(np.asarray(radius) / constants.centre_spread, 0.0, reach)
    nearby = np.expm1(-0.5 * length**2) / np.expm1(-0.5 * reach**2)
    share: np.ndarray = (
        constants.ring_share * inside + (1.0 - constants.ring_share) * nearby
    )
    return share


def cvar_of_shares(
    ring: float, centre: float, level: float, constants: Constants = CONSTANTS
) -> float:
    """Return the exact CVaR of the reward of a policy.

    The reward is a mixture of three normals and of 0, and
    CVaR = max_v v - E[(v - R)_+] / level (Rockafellar and Uryasev, 2000).

    Args:
      ring: probability that the policy acts on the ring.
      centre: probability that it acts in the centre.
      level: share of worst rewards in (0, 1].
      constants: of the bandit.
    """
    penalised = constants.penalty_probability
    shares = np.array([ring * penalised, ring * (1.0 - penalised), centre])
    paid = np.array(
        [constants.penalty_reward, constants.ring_reward, constants.centre_reward]
    )
    rest = max(1.0 - ring - centre, 0.0)

    def negative(value: float) -> float:
        above = (value - paid) / constants.reward_noise
        density, mass = scipy.stats.norm.pdf(above), scipy.stats.norm.cdf(above)
        short = (value - paid) * mass + constants.reward_noise * density
        below = float(shares @ short) + rest * max(value, 0.0)
        return below / level - value

    ends = (constants.penalty_reward - 1.0, constants.ring_reward + 1.0)
    return -min(
        float(
            scipy.optimize.minimize_scalar(negative, bounds=part, method="bounded").fun
        )
        for part in itertools.pairwise((ends[0], 0.0, ends[1]))
    )


def reward_range(constants: Constants = CONSTANTS) -> tuple[float, float]:
    """Return bounds of the rewards, five deviations of the noise beyond their means."""
    slack = 5.0 * constants.reward_noise
    return constants.penalty_reward - slack, constants.ring_reward + slack


class RiskyBandit(gymnasium.Env):  # type: ignore[misc]
    """The bandit as an environment with episodes of one step.

    `info` holds `ring` and `centre` (bool) for the action taken. Rewards are drawn from
    the environment's own generator: seed `reset` to repeat them.
    """

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the constant observation, zero."""
        super().reset(seed=seed, options=options)
        return np.zeros(1, np.float32), {}

    def step(
        self, action: np.ndarray
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Draw the reward of the action and end the episode."""
        reward = float(draw_rewards(action, self.np_random))
        info = {"ring": bool(on_ring(action)), "centre": bool(in_centre(action))}
        return np.zeros(1, np.float32), reward, True, False, info
