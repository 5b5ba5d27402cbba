"""The stored episodes of a Minari dataset, one after the other.

Vectors in HDF5 files are read by h5py's low-level functions and without `infos`, which
takes half of the time of Minari's own reader. Minari reads everything else.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
from minari import EpisodeData, MinariDataset

from ramac_jax.data.read_errors import unreadable

READ_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, AssertionError)
"""What the storage libraries raise for a file that they cannot read."""
CACHE_BYTES = 2**18
"""Memory of HDF5 for descriptions of groups and arrays."""
FIELDS = ("observations", "actions", "rewards", "terminations", "truncations")


def read_episodes(dataset: MinariDataset) -> Iterator[EpisodeData]:
    """Yield the stored episodes of a dataset, perhaps without their `infos`.

    Raises `InputError` where that fails.
    """
    try:
        if is_plain(dataset):
            yield from read_plain(dataset)
        else:
            yield from dataset.iterate_episodes()
    except READ_ERRORS as error:
        raise unreadable(dataset.id, error) from error


def is_plain(dataset: MinariDataset) -> bool:
    """Return whether a dataset is an HDF5 file of vectors."""
    spaces = dataset.observation_space, dataset.action_space
    return dataset.storage.FORMAT == "hdf5" and all(
        isinstance(x, gymnasium.spaces.Box) and len(x.shape) == 1 for x in spaces
    )


def read_plain(dataset: MinariDataset) -> Iterator[EpisodeData]:
    """Yield the episodes of an HDF5 file of vectors, as Minari lays it out."""
    with h5py.File(Path(dataset.storage.data_path, "main_data.hdf5"), "r") as file:
        forget_groups(file)
        for index in dataset.episode_indices:
            group = h5py.h5g.open(file.id, f"episode_{index}".encode())
            arrays = {name: read_array(group, name) for name in FIELDS}
            yield EpisodeData(id=index, infos={}, **arrays)


def forget_groups(file: h5py.File) -> None:
    """Keep little of what HDF5 knows of the groups of a file that is read once.

    By default it grows with each episode: reading 2,240 episodes with 143 MB of arrays
    left 105 MB more in the process, even after the file was closed.
    """
    cache = file.id.get_mdc_config()
    cache.set_initial_size = True
    cache.min_size = cache.initial_size = cache.max_size = CACHE_BYTES
    file.id.set_mdc_config(cache)


def read_array(group: Any, name: str) -> np.ndarray:
    """Return an array of an HDF5 group, in the type of its numbers.

    Raises `ValueError` for a single number, and for a dataset without content.
    """
    stored = h5py.h5d.open(group, name.encode())
    if not stored.shape:
        raise ValueError(f"{name} is no array")
    array = np.empty(stored.shape, stored.dtype)
    stored.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
    return array
