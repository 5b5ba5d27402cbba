"""Minari datasets on this machine: their folder, their ids, and how one is opened."""

import difflib
from pathlib import Path

import minari
from minari import MinariDataset
from minari.dataset.minari_dataset import parse_dataset_id
from minari.storage import get_dataset_path

from ramac_jax.errors import InputError, first_line


def datasets_root(root: Path | None = None) -> Path:
    """Return the folder of the datasets; make it where there is none.

    Args:
      root: the folder; None: that of the variable MINARI_DATASETS_PATH, or Minari's own
        folder without that variable.

    Raises `InputError` where the folder cannot be made.
    """
    try:
        if root is None:
            return Path(get_dataset_path())
        root.mkdir(parents=True, exist_ok=True)
        return root
    except OSError as error:
        advice = "set MINARI_DATASETS_PATH" if root is None else "give another"
        raise InputError(f"no folder for datasets ({error}): {advice}") from error


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
    return (datasets_root(root) / dataset_id / "data").exists()


def open_dataset(dataset_id: str, root: Path | None = None) -> MinariDataset:
    """Open a dataset without reading its episodes.

    Args:
      dataset_id: Minari id.
      root: folder of the datasets, as in `datasets_root`. With None, a dataset that is
        not there is downloaded.

    Raises `InputError` where the dataset is absent, cannot be downloaded or is damaged.
    """
    folder = datasets_root(root)
    try:
        if root is None:
            return minari.load_dataset(dataset_id, download=True)
        return MinariDataset(folder / dataset_id / "data")
    except Exception as error:  # a download fails in many ways
        if is_local(dataset_id, root):
            raise damaged(dataset_id, error) from error
        raise absent(dataset_id, folder, None if root else error) from error


def absent(dataset_id: str, folder: Path, download: Exception | None) -> InputError:
    """Return the error of a dataset that is not in a folder.

    Args:
      dataset_id: Minari id.
      folder: where the dataset was expected.
      download: why it could not be downloaded; None: no download was tried.
    """
    known = ", ".join(nearest_local(folder, dataset_id)) or "none"
    if download is None:
        return InputError(
            f"dataset {dataset_id!r} is not in {folder}; datasets there: {known}"
        )
    return InputError(
        f"dataset {dataset_id!r} is not here and cannot be downloaded "
        f"({first_line(download)}); datasets here: {known} "
        "(MINARI_DATASETS_PATH says where to look)"
    )


def nearest_local(folder: Path, dataset_id: str) -> list[str]:
    """Return the ids of the datasets in a folder, the most similar to an id first."""
    found = [x.parent.parent for x in folder.rglob("data/metadata.json")]
    names = sorted(x.relative_to(folder).as_posix() for x in found)
    names = [name for name in names if not name.startswith(".")]  # a draft
    matcher = difflib.SequenceMatcher(b=dataset_id)

    def similarity(name: str) -> float:
        matcher.set_seq1(name)
        return matcher.ratio()

    return sorted(names, key=similarity, reverse=True)


def damaged(dataset_id: str, error: Exception) -> InputError:
    """Return the error of a dataset that is present and cannot be read."""
    return InputError(
        f"dataset {dataset_id} cannot be read ({first_line(error)}): its files may be "
        "damaged; download or make it again"
    )
