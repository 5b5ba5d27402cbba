"""Minari datasets on this machine: their folder, their ids, and how one is opened."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from minari import MinariDataset
from minari.dataset.minari_dataset import parse_dataset_id
from minari.storage import get_dataset_path

from ramac_jax.data.downloads import download_dataset
from ramac_jax.data.read_errors import unreadable
from ramac_jax.errors import InputError, first_line

OWN_FOLDER = "RAMAC_JAX_DATASETS_PATH"
"""Variable of a second folder, for the datasets that this library makes."""


def datasets_roots(root: Path | None = None) -> list[Path]:
    """Return the folders of datasets, the first of them for new datasets.

    Folders that do not exist are made.

    Args:
      root: the only folder; None: that of the variable RAMAC_JAX_DATASETS_PATH, if it
        is set, and that of MINARI_DATASETS_PATH, or Minari's own folder without it.

    Raises `InputError` where a folder cannot be made.
    """
    own = os.environ.get(OWN_FOLDER)
    given = [root] if root is not None else [Path(own)] if own else []
    advice = f"set {OWN_FOLDER}" if root is None else "give another"
    try:
        for folder in given:
            folder.mkdir(parents=True, exist_ok=True)
        if root is not None:
            return given
        advice = "set MINARI_DATASETS_PATH"
        return [*given, Path(get_dataset_path())]
    except OSError as error:
        raise InputError(f"no folder for datasets ({error}): {advice}") from error


def find_dataset(dataset_id: str, root: Path | None = None) -> Path | None:
    """Return the folder of a dataset, intact or damaged; None where there is none.

    Raises `InputError` for a folder that this user may not read.
    """
    for folder in datasets_roots(root):
        try:
            os.stat(folder / dataset_id / "data")
        except PermissionError as error:
            raise unreadable(dataset_id, error) from error
        except OSError:  # not there
            continue
        return folder / dataset_id
    return None


def check_id(dataset_id: str) -> None:
    """Raise `InputError` for what Minari does not accept as an id, such as ../a-v0."""
    try:
        parse_dataset_id(dataset_id)
    except (TypeError, ValueError):  # a TypeError where the version is missing
        raise InputError(
            f"{dataset_id!r} is no Minari id: give one such as local/hopper/medium-v0"
        ) from None


def is_local(dataset_id: str, root: Path | None = None) -> bool:
    """Return whether a folder of datasets holds this id, intact or damaged."""
    return find_dataset(dataset_id, root) is not None


def open_dataset(dataset_id: str, root: Path | None = None) -> MinariDataset:
    """Open a dataset without reading its episodes.

    Args:
      dataset_id: Minari id.
      root: folder of the datasets, as in `datasets_roots`. With None, a dataset that is
        not there is downloaded.

    Raises `InputError` where the dataset is absent, cannot be downloaded or cannot be
    read.
    """
    place = find_dataset(dataset_id, root)
    try:
        if place is not None:
            return MinariDataset(place / "data")
        if root is None:
            return download_dataset(dataset_id)
    except Exception as error:  # a download fails in many ways
        if is_local(dataset_id, root):
            raise unreadable(dataset_id, error) from error
        raise absent(dataset_id, datasets_roots(root), error) from error
    raise absent(dataset_id, datasets_roots(root), None)


def absent(
    dataset_id: str, folders: Sequence[Path], download: Exception | None
) -> InputError:
    """Return the error of a dataset that is not in any folder.

    Args:
      dataset_id: Minari id.
      folders: where the dataset was expected.
      download: why it could not be downloaded; None: no download was tried.
    """
    known = ", ".join(nearest_local(folders, dataset_id)) or "none"
    if download is None:
        return InputError(
            f"dataset {dataset_id!r} is not in {folders[0]}; datasets there: {known}"
        )
    return InputError(
        f"dataset {dataset_id!r} is not here and cannot be downloaded "
        f"({first_line(download)}); datasets here: {known} "
        f"({OWN_FOLDER} and MINARI_DATASETS_PATH say where to look)"
    )


def nearest_local(folders: Sequence[Path], dataset_id: str) -> list[str]:
    """Return the ids of the datasets in folders, the most similar to an id first."""
    found = {
        path.parent.parent.relative_to(folder).as_posix()
        for folder in folders
        for path in folder.rglob("data/metadata.json")
    }
    names = sorted(name for name in found if not name.startswith("."))  # no draft
    matcher = difflib.SequenceMatcher(b=dataset_id)

    def similarity(name: str) -> float:
        matcher.set_seq1(name)
        return matcher.ratio()

    return sorted(names, key=similarity, reverse=True)
