"""Pruners of Optuna by name, and the rungs of training at which they decide."""

import optuna
from optuna.pruners import BasePruner

from ramac_jax.errors import InputError, check_names
from ramac_jax.registry import PRUNERS

MOST_RUNGS = 4


def rung_steps(num_steps: int, factor: int) -> list[int]:
    """Return the updates after which trials are compared, up to `num_steps`.

    There are R = min(4, floor(log_factor num_steps) + 1) rungs; rung k ends after
    num_steps / factor^(R-1-k) updates, rounded down. Raises `InputError` for a factor
    below 2, no update, and too few updates for two rungs.
    """
    if factor < 2:
        raise InputError(f"the reduction factor is {factor}: give 2 or more")
    if num_steps < factor:
        raise InputError(
            f"num_steps is {num_steps} and the reduction factor {factor}: pruning "
            "needs two rungs; give more updates, or a lower factor"
        )
    steps = [num_steps]
    while len(steps) < MOST_RUNGS and num_steps // factor ** len(steps) >= 1:
        steps.insert(0, num_steps // factor ** len(steps))
    return steps


def make_pruner(
    name: str, *, factor: int = 3, num_rungs: int = MOST_RUNGS
) -> BasePruner:
    """Make the pruner of a name: "none", "halving" or "hyperband".

    Of the trials at a rung, about one in `factor` goes on. Report rung k, counted from
    0, as step factor^k, and the last rung not at all: its scores are the trial's.

    Args:
      name: of the pruner.
      factor: reduction factor.
      num_rungs: as `rung_steps` returns them.

    Raises `InputError` for an unknown name.
    """
    check_names("pruner", [name], PRUNERS)
    if name == "none":
        return optuna.pruners.NopPruner()
    if name == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=1, reduction_factor=factor
        )
    return optuna.pruners.HyperbandPruner(
        min_resource=1, max_resource=factor ** (num_rungs - 1), reduction_factor=factor
    )
