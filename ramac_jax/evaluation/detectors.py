"""Detectors of out-of-distribution (OOD) actions.

Both compare an action with those of the data at the states nearest to the query's
state: the support of the behaviour is I_s, one set of actions for each state (RAMAC,
proposition 1).
"""

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.evaluation.neighbours import AT_ONCE, nearest_actions, scores
from ramac_jax.types import Array, Transition

if TYPE_CHECKING:
    from scipy.spatial import KDTree

BANDWIDTHS = np.geomspace(0.01, 0.5, 12)  # tried; actions lie in [-1, 1]


class Detector(NamedTuple):
    """A score of state-action pairs, and the threshold above which a pair is OOD."""

    family: Literal["nearest", "density"]
    states: "KDTree"  # [D, O] of the data, each coordinate with mean 0, deviation 1
    action: np.ndarray  # [D, A] of the data
    centre: np.ndarray  # [O], subtracted from observations
    unit: np.ndarray  # [O], then divides them
    num_neighbours: int  # K, states of the data that a query is compared with
    bandwidth: float  # of the density; NaN for "nearest"
    threshold: float
    false_positive_rate: float  # share of the held-out data above the threshold

    def score(self, observation: Array, action: Array) -> Array:
        """Return how far observations [Q, O] and actions [Q, A] are from the data: [Q].

        "nearest": distance to the nearest action of the data at the K states nearest to
        the query's. "density": -log of the density of these K actions, a mean of normal
        kernels. NaN where a pair is not finite. Raises `InputError` for other shapes.
        """
        size = len(np.atleast_1d(action))
        for name, query, width in (
            ("observation", observation, len(self.centre)),
            ("action", action, self.action.shape[1]),
        ):
            if np.shape(query) != (size, width):
                raise InputError(
                    f"{name} has shape {list(np.shape(query))}: it must be "
                    f"[{size}, {width}]"
                )
        seen, taken = np.asarray(observation), np.asarray(action)
        states = scaled(seen, self.centre, self.unit)
        found = [
            self.score_among(self.nearest_actions(seen[rows]), taken[rows])
            for rows in self.blocks(size)
        ]
        finite = np.isfinite(states).all(axis=1)
        return jnp.where(finite, jnp.concatenate(found), jnp.nan)

    def blocks(self, size: int) -> list[slice]:
        """Divide queries so that the nearest actions of a block take little memory."""
        rows = max(AT_ONCE // max(self.num_neighbours * self.action.shape[1], 1), 1)
        return [slice(i, i + rows) for i in range(0, max(size, 1), rows)]

    def nearest_actions(self, observation: np.ndarray | Array) -> np.ndarray:
        """Return the data's actions at the K states nearest to each of Q: [Q, K, A].

        [1, K, A] where K is the number of data. The search takes nearly all the time of
        a score: share it between actions at the same states.
        """
        known = scaled(observation, self.centre, self.unit)
        return nearest_actions(self.states, self.action, known, self.num_neighbours)

    def score_among(self, nearest: np.ndarray, action: np.ndarray | Array) -> Array:
        """Return the score [Q] of actions [Q, A] whose nearest ones are known."""
        action = jnp.asarray(action, jnp.float32)
        return scores(self.family, jnp.asarray(nearest), action, self.bandwidth)

    def __call__(self, observation: Array, action: Array) -> np.ndarray:
        """Return which pairs are OOD [Q]; a pair that is not finite counts as OOD."""
        return above(self.score(observation, action), self.threshold)


def above(found: Array, threshold: float) -> np.ndarray:
    """Return which scores are above a threshold; NaN counts as above."""
    return ~(np.asarray(found) <= threshold)


def scaled(observation: Any, centre: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return observations in a detector's units; computed in float64, given in 32."""
    with np.errstate(invalid="ignore"):  # an infinite query over an infinite unit
        return ((np.asarray(observation, np.float64) - centre) / unit).astype(
            np.float32
        )


def nearest_detector(
    data: Transition,
    held_out: Transition,
    *,
    num_neighbours: int = 100,
    kappa: float = 3.0,
) -> Detector:
    """Build the state-conditioned nearest neighbour of the paper.

    The threshold is `kappa` times the median score of the held-out data. The paper's
    kappa is 3; it does not say of what, nor which K it uses.

    Args:
      data: the reference; its observations and actions are used.
      held_out: other data of the same behaviour, best from other episodes.
      num_neighbours: K; give the number of data where actions ignore the state.
      kappa: threshold as a multiple of the median held-out score.

    Raises `InputError` for data of other widths, no data, data that are not finite, K
    or kappa out of range, and where half of the held-out actions are in the data.
    """
    if not 0.0 < kappa < math.inf:
        raise InputError(f"kappa is {kappa}: give a positive, finite number")
    detector = uncalibrated("nearest", data, held_out, num_neighbours)
    found = detector.score(held_out.observation, held_out.action)
    middle = float(jnp.median(found))
    if middle == 0.0:
        raise InputError(
            "half of the held-out actions are among the data's: hold out other "
            "episodes, or use density_detector"
        )
    return calibrated(detector, found, kappa * middle)


def density_detector(
    data: Transition,
    held_out: Transition,
    *,
    num_neighbours: int = 100,
    false_positive_rate: float = 0.01,
) -> Detector:
    """Build a detector from the density of the data's actions at the nearest states.

    The bandwidth is the one of `BANDWIDTHS` under which the held-out data are most
    likely. The threshold is the score that the given share of them exceeds.

    Args:
      data: the reference; its observations and actions are used.
      held_out: other data of the same behaviour, best from other episodes.
      num_neighbours: K; give the number of data where actions ignore the state.
      false_positive_rate: share of the held-out data that is flagged.

    Raises `InputError` for data of other widths, no data, data that are not finite, and
    K or a rate out of range.
    """
    if not 0.0 < false_positive_rate < 1.0:
        raise InputError(
            f"false_positive_rate is {false_positive_rate}: give one between 0 and 1"
        )
    plain = uncalibrated("density", data, held_out, num_neighbours)
    tried = [plain._replace(bandwidth=float(width)) for width in BANDWIDTHS]
    parts = []
    for rows in plain.blocks(len(held_out.action)):
        nearest = plain.nearest_actions(held_out.observation[rows])
        parts.append([x.score_among(nearest, held_out.action[rows]) for x in tried])
    found = [jnp.concatenate(of_bandwidth) for of_bandwidth in zip(*parts, strict=True)]
    best = int(np.argmin([jnp.mean(x) for x in found]))
    threshold = jnp.quantile(found[best], 1.0 - false_positive_rate)
    return calibrated(tried[best], found[best], float(threshold))


def uncalibrated(
    family: Literal["nearest", "density"],
    data: Transition,
    held_out: Transition,
    num_neighbours: int,
) -> Detector:
    """Return a detector without bandwidth and threshold."""
    from scipy.spatial import KDTree  # takes a third of a second to import

    check_data(data, held_out, num_neighbours)
    known = np.asarray(data.observation, np.float64)
    centre, deviation = known.mean(axis=0), known.std(axis=0)
    # A coordinate that varies less than float32 resolves is constant.
    varies = deviation > 1e-6 * np.maximum(np.abs(centre), 1.0)
    unit = np.where(varies, deviation, np.inf)
    return Detector(
        family=family,
        states=KDTree(scaled(known, centre, unit)),
        action=np.asarray(data.action, np.float32),
        centre=centre,
        unit=unit,
        num_neighbours=num_neighbours,
        bandwidth=math.nan,
        threshold=math.nan,
        false_positive_rate=math.nan,
    )


def check_data(data: Transition, held_out: Transition, num_neighbours: int) -> None:
    """Raise `InputError` for data from which no detector can be built."""
    for part in (data, held_out):
        if not all(np.isfinite(x).all() for x in (part.observation, part.action)):
            raise InputError("data or held-out data are not finite: repair them")
        if len(part.observation) != len(part.action):
            raise InputError("the numbers of observations and of actions differ")
    widths = [np.shape(x)[1:] for x in (data.observation, data.action)]
    if widths != [np.shape(x)[1:] for x in (held_out.observation, held_out.action)]:
        raise InputError(
            "the held-out data have other widths than the data: give both of one task"
        )
    size = len(data.action)
    if not size or not len(held_out.action):
        raise InputError("there are no data, or none held out: give at least one step")
    if not 1 <= num_neighbours <= size:
        raise InputError(
            f"num_neighbours is {num_neighbours}: give 1 to {size}, the number of data"
        )


def calibrated(detector: Detector, found: Array, threshold: float) -> Detector:
    """Return the detector with a threshold, and the share of held-out data above it."""
    return detector._replace(
        threshold=threshold, false_positive_rate=float(above(found, threshold).mean())
    )
