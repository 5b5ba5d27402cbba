"""Checks of the spaces of Minari datasets, and how observations become vectors."""

import gymnasium
import numpy as np
from minari import MinariDataset

from ramac_jax.data.environments import facts
from ramac_jax.envs.spaces import find_layout, is_flat
from ramac_jax.errors import InputError
from ramac_jax.observations import Layout


def check_spaces(dataset: MinariDataset) -> Layout | None:
    """Return how observations become vectors; None where they are vectors already.

    Raises `InputError` unless observations are, or become, vectors and actions are flat
    and continuous.
    """
    kinds = spaces(dataset)
    box = kinds["actions"]
    try:
        layout = find_layout(kinds["observations"])
    except InputError as error:
        raise InputError(f"dataset {dataset.id} has observations {error}") from None
    if not is_flat(box) or not np.issubdtype(box.dtype, np.floating):
        raise InputError(
            f"dataset {dataset.id} has actions {box}: an agent needs a flat, "
            "continuous Box"
        )
    if not (np.isfinite(box.low) & np.isfinite(box.high) & (box.low < box.high)).all():
        raise InputError(
            f"dataset {dataset.id} has actions {box}: every bound must be finite and "
            "each low below its high"
        )
    return layout


def check_flat(dataset: MinariDataset) -> None:
    """Raise `InputError` where observations are no vectors yet."""
    if check_spaces(dataset) is not None:
        raise InputError(
            f"dataset {dataset.id} has observations {dataset.observation_space}: a "
            "hazard monitors a coordinate of flat observations"
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
