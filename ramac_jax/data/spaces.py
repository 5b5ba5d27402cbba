"""Checks of the spaces of Minari datasets: an agent needs flat, continuous boxes."""

import gymnasium
import numpy as np
from minari import MinariDataset

from ramac_jax.data.environments import facts
from ramac_jax.errors import InputError


def check_spaces(dataset: MinariDataset) -> None:
    """Raise `InputError` unless observations and actions are flat and continuous."""
    for kind, space in spaces(dataset).items():
        flat = isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1
        if not flat or (
            kind == "actions" and not np.issubdtype(space.dtype, np.floating)
        ):
            raise InputError(
                f"dataset {dataset.id} has {kind} {space}: an agent needs a flat, "
                "continuous Box"
            )
    box = dataset.action_space
    if not (np.isfinite(box.low) & np.isfinite(box.high) & (box.low < box.high)).all():
        raise InputError(
            f"dataset {dataset.id} has actions {box}: every bound must be finite and "
            "each low below its high"
        )


def check_alike(first: MinariDataset, other: MinariDataset) -> None:
    """Raise `InputError` unless two datasets share spaces and environment."""
    wanted, given = (spaces(x) | facts(x.env_spec) for x in (first, other))
    for kind in wanted:
        if wanted[kind] != given[kind]:
            raise InputError(
                f"dataset {other.id} has {kind} {given[kind]} and {first.id} has "
                f"{wanted[kind]}: datasets to be joined must agree"
            )


def spaces(dataset: MinariDataset) -> dict[str, gymnasium.Space]:
    """Return the two spaces of a dataset, by the words that messages use."""
    return {"observations": dataset.observation_space, "actions": dataset.action_space}
