"""Would the data take this action? Detectors of out-of-distribution actions.

Both ask at the states of the data that are nearest to the query's: the support of the
behaviour is I_s, one set of actions for each state (RAMAC, proposition 1).
"""

import math
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.types import Array, Transition
from ramac_jax.validation import InputError

AT_ONCE = 2**24  # distances from queries to data that are in memory together
BANDWIDTHS = np.geomspace(0.01, 0.5, 12)  # of the density; actions lie in [-1, 1]


class Detector(NamedTuple):
    """A score of state-action pairs, and from where on it means out of distribution."""

    family: Literal["nearest", "density"]
    observation: Array  # [D, O] of the data, each coordinate with mean 0, deviation 1
    action: Array  # [D, A] of the data
    centre: np.ndarray  # [O], what is taken from observations
    unit: np.ndarray  # [O], what they are then divided by
    num_neighbours: int  # K, states of the data that are asked
    bandwidth: float  # of the density
    threshold: float
    false_positive_rate: float  # share of the held-out data beyond the threshold

    def score(self, observation: Array, action: Array) -> Array:
        """How far the data are from observations [Q, O] and actions [Q, A]: [Q].

        "nearest": distance to the nearest action that the data took at the K states
        nearest to the query's. "density": -log of the density of these K actions, a
        mean of normal kernels. NaN where a pair is not finite. Raises `InputError` for
        other shapes.
        """
        size = len(np.atleast_1d(action))
        for name, asked in (("observation", observation), ("action", action)):
            width = getattr(self, name).shape[1]
            if np.shape(asked) != (size, width):
                raise InputError(
                    f"{name} has shape {list(np.shape(asked))}: it must be "
                    f"[{size}, {width}]"
                )
        found = scores(
            self.family,
            self.observation,
            self.action,
            jnp.asarray(scaled(observation, self.centre, self.unit)),
            jnp.asarray(action, jnp.float32),
            self.num_neighbours,
            self.bandwidth,
        )
        pairs = (np.asarray(x) for x in (observation, action))
        finite = np.all([np.isfinite(x).all(axis=1) for x in pairs], axis=0)
        return jnp.where(finite, found, jnp.nan)

    def __call__(self, observation: Array, action: Array) -> np.ndarray:
        """Which of the pairs are out of distribution [Q]; what is not finite is."""
        return beyond(self.score(observation, action), self.threshold)


def beyond(found: Array, threshold: float) -> np.ndarray:
    """Which scores are over a threshold, NaN among them."""
    return ~(np.asarray(found) <= threshold)


def scaled(observation: Any, centre: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Observations in the units of a detector; in float64 until they are small."""
    with np.errstate(invalid="ignore"):  # inf by the unit of what does not vary
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
    kappa is 3; of what, and its K, are not known.

    Args:
      data: what is known; observations and actions count.
      held_out: other data of the same behaviour, best of other episodes.
      num_neighbours: K; the number of data where the state says nothing.
      kappa: how many times farther than the data from themselves is too far.

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
    """Build a detector by the density of the data's actions at the nearest states.

    Its bandwidth is the one of `BANDWIDTHS` under which the held-out data are most
    likely, its threshold the score that the given share of them is beyond.

    Args:
      data: what is known; observations and actions count.
      held_out: other data of the same behaviour, best of other episodes.
      num_neighbours: K; the number of data where the state says nothing.
      false_positive_rate: share of the held-out data to be taken for others.

    Raises `InputError` for data of other widths, no data, data that are not finite, and
    K or a rate out of range.
    """
    if not 0.0 < false_positive_rate < 1.0:
        raise InputError(
            f"false_positive_rate is {false_positive_rate}: give one between 0 and 1"
        )
    plain = uncalibrated("density", data, held_out, num_neighbours)
    tried = [plain._replace(bandwidth=float(width)) for width in BANDWIDTHS]
    found = [x.score(held_out.observation, held_out.action) for x in tried]
    best = int(np.argmin([jnp.mean(x) for x in found]))
    threshold = jnp.quantile(found[best], 1.0 - false_positive_rate)
    return calibrated(tried[best], found[best], float(threshold))


def uncalibrated(
    family: Literal["nearest", "density"],
    data: Transition,
    held_out: Transition,
    num_neighbours: int,
) -> Detector:
    """A detector without a threshold."""
    for part in (data, held_out):
        if not all(np.isfinite(x).all() for x in (part.observation, part.action)):
            raise InputError("the data, or those held out, are not finite: repair them")
        if len(part.observation) != len(part.action):
            raise InputError("there are other numbers of observations than of actions")
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
    known = np.asarray(data.observation, np.float64)
    centre, deviation = known.mean(axis=0), known.std(axis=0)
    # What varies less than float32 can tell is constant.
    varies = deviation > 1e-6 * np.maximum(np.abs(centre), 1.0)
    unit = np.where(varies, deviation, np.inf)
    return Detector(
        family,
        jnp.asarray(scaled(known, centre, unit)),
        jnp.asarray(data.action, jnp.float32),
        centre,
        unit,
        num_neighbours,
        bandwidth=math.nan,
        threshold=math.nan,
        false_positive_rate=math.nan,
    )


def calibrated(detector: Detector, found: Array, threshold: float) -> Detector:
    """A detector with a threshold, and how much of the held-out data is beyond it."""
    return detector._replace(
        threshold=threshold, false_positive_rate=float(beyond(found, threshold).mean())
    )


@partial(jax.jit, static_argnames=("family", "num_neighbours"))
def scores(
    family: str,
    known_observation: Array,
    known_action: Array,
    observation: Array,
    action: Array,
    num_neighbours: int,
    bandwidth: float,
) -> Array:
    """`Detector.score` as one program; observations in units of the data's."""
    size, action_dim = known_action.shape
    squares = jnp.sum(known_observation**2, axis=-1)

    def one_query(query: tuple[Array, Array]) -> Array:
        here, asked = query
        nearest = known_action
        if num_neighbours < size:
            # |s - s_i|^2 without |s|^2, which is the same for all i.
            product = jnp.matmul(known_observation, here, precision="highest")
            apart = squares - 2.0 * product
            nearest = known_action[smallest(apart, num_neighbours)]
        square = jnp.sum((nearest - asked) ** 2, axis=-1)
        if family == "nearest":
            return jnp.sqrt(jnp.min(square))
        logs = -0.5 * square / bandwidth**2
        constant = action_dim * jnp.log(bandwidth * math.sqrt(2.0 * math.pi))
        return constant - jax.nn.logsumexp(logs) + math.log(num_neighbours)

    rows = max(AT_ONCE // size, 1)
    return jax.lax.map(one_query, (observation, action), batch_size=rows)


def smallest(values: Array, count: int) -> Array:
    """The places of the `count` smallest of many values [D], in no particular order.

    They lie in the `count` groups with the smallest minima, so that few need sorting.
    """
    width = max(math.isqrt(len(values) // count), 1)
    padded = jnp.pad(values, (0, -len(values) % width), constant_values=jnp.inf)
    groups = padded.reshape(-1, width)
    _, chosen = jax.lax.top_k(-jnp.min(groups, axis=1), count)
    _, places = jax.lax.top_k(-groups[chosen].ravel(), count)
    return chosen[places // width] * width + places % width
