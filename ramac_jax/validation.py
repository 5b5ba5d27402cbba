"""Checks of a user's input, made once on the host before any work."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.hyperparams import ANY, RANGES, Hyperparams

if TYPE_CHECKING:
    from ramac_jax.types import Array, RiskMeasureFn, Transition

ACTION_TOLERANCE = 1e-5  # rounding that a scaled action may carry


def check_hyperparams(
    hyperparams: Hyperparams, risk_measure: "RiskMeasureFn | None" = None
) -> None:
    """Raise `InputError` for a value outside `RANGES`, a stacked one included.

    Args:
      hyperparams: numbers, or arrays of any shape.
      risk_measure: of the agent, whose `levels` the risk level must be one of; None, or
        a function without `levels`: any level.
    """
    numbers = {k: as_numbers(k, v) for k, v in hyperparams._asdict().items()}
    for name, values in numbers.items():
        for value in np.ravel(values):
            if value not in RANGES[name]:
                raise InputError(f"{name} is {value:g}: it must be {RANGES[name]}")
    levels = getattr(risk_measure, "levels", ANY)
    for level in np.ravel(numbers["risk_level"]):
        if level not in levels:
            raise InputError(
                f"risk_level is {level:g}: for this risk measure it must be {levels}"
            )
    if np.any(numbers["value_min"] >= numbers["value_max"]):
        raise InputError(
            f"value_min is {hyperparams.value_min} and value_max "
            f"{hyperparams.value_max}: the lower bound must be below the upper"
        )


def as_numbers(name: str, values: Any) -> np.ndarray:
    """The values of one hyperparameter as float64 of the same shape.

    Raises `InputError` for anything but numbers.
    """
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {values!r}: give numbers") from None


def check_transitions(dataset: "Transition") -> None:
    """Raise `InputError` unless an agent can learn from this dataset.

    It needs arrays of matching shapes [D, O], [D, A], [D], [D, O], [D] with D > 0, all
    finite, actions within [-1, 1], `terminated` 0 or 1. `steps` may be None, or [D]
    that count down to 1 at the end of each episode. The message names the field and the
    first offending row.
    """
    fields = dataset._asdict()
    if fields["steps"] is None:
        del fields["steps"]
    arrays = {name: np.asarray(value) for name, value in fields.items()}
    size = arrays["reward"].shape[:1]
    if size == (0,):
        raise InputError("the dataset is empty: give at least one transition")
    tables = ("observation", "action", "next_observation")
    axes = {name: 2 if name in tables else 1 for name in arrays}
    for name, value in arrays.items():
        if not np.can_cast(value.dtype, np.float64, "same_kind"):
            raise InputError(f"{name} has dtype {value.dtype}: give numbers")
        if value.ndim != axes[name] or value.shape[:1] != size or not value.size:
            raise InputError(
                f"{name} has shape {list(value.shape)} and reward "
                f"{list(arrays['reward'].shape)}: it needs {axes[name]} axes, "
                "the first as long as reward, the second at least 1"
            )
    if arrays["observation"].shape != arrays["next_observation"].shape:
        raise InputError(
            f"observation has shape {list(arrays['observation'].shape)} and "
            f"next_observation {list(arrays['next_observation'].shape)}: they differ"
        )
    for name, value in arrays.items():
        reject_rows(
            name, ~np.isfinite(value), value, "NaN or infinite", "clean the data"
        )
    outside = np.abs(arrays["action"]) > 1.0 + ACTION_TOLERANCE
    reject_rows("action", outside, arrays["action"], "outside [-1, 1]", "rescale it")
    flag = arrays["terminated"]
    reject_rows("terminated", (flag != 0) & (flag != 1), flag, "not 0 or 1", "fix it")
    if "steps" in arrays:
        check_steps(arrays["steps"], flag)


def check_steps(steps: np.ndarray, terminated: np.ndarray) -> None:
    """Raise `InputError` unless `steps` [D] count down to 1 at the end of episodes."""
    following = np.append(steps[1:], np.zeros_like(steps[:1]))  # 0: the data end
    goes_on = (steps > 1) & (following == steps - 1) & (terminated == 0)
    right = (steps == 1) | goes_on
    advice = "count down to 1 at the end of each episode, which no later row continues"
    reject_rows("steps", ~right, steps, "no count of the steps that are left", advice)


def known_steps(target_steps: int, dataset: "Transition") -> "Array":
    """Return `dataset.steps`; `InputError` where they are None."""
    if dataset.steps is None:
        raise InputError(
            f"target_steps is {target_steps} and the dataset does not say where its "
            "episodes end: give Transition.steps, or target_steps=1"
        )
    return dataset.steps


def check_target_steps(target_steps: int, dataset: "Transition") -> None:
    """Raise `InputError` for targets of more steps than any episode has.

    Args:
      target_steps: of the agent.
      dataset: the data, with `steps` where more than one step is joined.
    """
    if target_steps == 1:
        return
    longest = int(np.max(known_steps(target_steps, dataset)))
    if target_steps > longest:
        raise InputError(
            f"target_steps is {target_steps} and the longest episode has {longest} "
            f"steps: give at most {longest}"
        )


def check_single_steps(dataset: "Transition") -> None:
    """Raise `InputError` for a row that ends no episode; see `single_step`."""
    terminated = np.asarray(dataset.terminated)
    reject_rows(
        "terminated",
        terminated == 0,
        terminated,
        "0",
        "build the agent without single_step",
    )


def reject_rows(
    name: str, bad: np.ndarray, value: np.ndarray, fault: str, advice: str
) -> None:
    """Raise `InputError` naming the first row where `bad` [D, ...] holds, if any."""
    if not bad.any():
        return
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    raise InputError(
        f"{name} is {fault} in {rows.size} of {len(bad)} rows, the first is row "
        f"{rows[0]}: {np.array2string(value[rows[0]], threshold=8)}; {advice}"
    )
