"""Checks of what comes from outside, made once on the host before any work."""

import dataclasses
import math

import numpy as np

from ramac_jax.errors import InputError as InputError
from ramac_jax.errors import check_names as check_names
from ramac_jax.errors import first_line as first_line
from ramac_jax.types import Hyperparams, Transition

ACTION_TOLERANCE = 1e-5  # rounding that a scaled action may carry


@dataclasses.dataclass(frozen=True)
class Range:
    """The values a hyperparameter may take."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    infinite: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and value <= self.high and (self.infinite or math.isfinite(value))

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.open_low else f"at least {self.low:g}"
        bounds = [low] if math.isfinite(self.low) else []
        if math.isfinite(self.high):
            bounds.append(f"at most {self.high:g}")
        return " and ".join(bounds) or "finite"


POSITIVE = Range(0.0, open_low=True)
SHARE = Range(0.0, 1.0)
WEIGHT = Range(0.0)
RANGES = {
    "actor_learning_rate": WEIGHT,
    "critic_learning_rate": WEIGHT,
    "max_grad_norm": Range(0.0, open_low=True, infinite=True),
    "discount": SHARE,
    "target_rate": SHARE,
    "ema_rate": SHARE,
    "bc_weight": WEIGHT,
    "risk_weight": WEIGHT,
    "risk_level": Range(),
    "risk_warmup": WEIGHT,
    "risk_ramp": WEIGHT,
    "value_min": Range(infinite=True),
    "value_max": Range(infinite=True),
    "huber_threshold": POSITIVE,
    "conservative_weight": WEIGHT,
    "decay_steps": Range(0.0, open_low=True, infinite=True),
}
"""What `check_hyperparams` allows; every field of `Hyperparams` has its range here."""


def check_hyperparams(hyperparams: Hyperparams) -> None:
    """Raise `InputError` for a value outside `RANGES`, a stacked one included."""
    for name, values in hyperparams._asdict().items():
        for value in np.ravel(np.asarray(values, np.float64)):
            if value not in RANGES[name]:
                raise InputError(f"{name} is {value:g}: it must be {RANGES[name]}")
    if np.any(np.asarray(hyperparams.value_min) >= np.asarray(hyperparams.value_max)):
        raise InputError(
            f"value_min is {hyperparams.value_min} and value_max "
            f"{hyperparams.value_max}: the lower bound must be below the upper"
        )


def check_transitions(dataset: Transition) -> None:
    """Raise `InputError` unless this is a batch that an agent can learn from.

    That is: arrays of matching shapes [D, O], [D, A], [D], [D, O], [D] with D > 0, all
    finite, actions within [-1, 1], `terminated` 0 or 1. The message names the field and
    the first offending row.
    """
    arrays = {name: np.asarray(value) for name, value in dataset._asdict().items()}
    size = arrays["reward"].shape[:1]
    if size == (0,):
        raise InputError("the dataset is empty: give at least one transition")
    axes = dict(observation=2, action=2, reward=1, next_observation=2, terminated=1)
    for name, value in arrays.items():
        if not np.issubdtype(value.dtype, np.number) and value.dtype != bool:
            raise InputError(f"{name} has dtype {value.dtype}: give numbers")
        if value.ndim != axes[name] or value.shape[:1] != size or not value.size:
            raise InputError(
                f"{name} has shape {list(value.shape)} beside reward "
                f"{list(arrays['reward'].shape)}: it needs {axes[name]} axes, "
                "the first as long as reward, the second at least 1"
            )
    if arrays["observation"].shape != arrays["next_observation"].shape:
        raise InputError(
            f"observation has shape {list(arrays['observation'].shape)} and "
            f"next_observation {list(arrays['next_observation'].shape)}: make them one"
        )
    for name, value in arrays.items():
        reject_rows(
            name, ~np.isfinite(value), value, "NaN or infinite", "clean the data"
        )
    outside = np.abs(arrays["action"]) > 1.0 + ACTION_TOLERANCE
    reject_rows("action", outside, arrays["action"], "outside [-1, 1]", "rescale it")
    flag = arrays["terminated"]
    reject_rows("terminated", (flag != 0) & (flag != 1), flag, "not 0 or 1", "mend it")


def reject_rows(
    name: str, bad: np.ndarray, value: np.ndarray, fault: str, advice: str
) -> None:
    """Raise `InputError` naming the first row where `bad` [D, ...] holds, if any."""
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    if rows.size:
        raise InputError(
            f"{name} is {fault} in {rows.size} of {len(bad)} rows, the first is row "
            f"{rows[0]}: {np.array2string(value[rows[0]], threshold=8)}; {advice}"
        )
