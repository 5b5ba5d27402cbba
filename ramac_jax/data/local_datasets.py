"""Open Minari datasets and see that an agent can work with their spaces."""

import difflib
import logging
from pathlib import Path

import gymnasium as gym
import minari
import numpy as np
from minari import MinariDataset
from minari.dataset.minari_dataset import parse_dataset_id
from minari.storage import get_dataset_path

from ramac_jax.validation import InputError, first_line


def datasets_root() -> Path:
    """Minari's folder, made where needed; `InputError` where there can be none."""
    try:
        return get_dataset_path()
    except OSError as error:
        raise InputError(
            f"no folder for datasets ({error}): set MINARI_DATASETS_PATH"
        ) from error


def check_id(dataset_id: str) -> None:
    """Raise `InputError` for what Minari does not take as an id, such as ../out-v0."""
    try:
        parse_dataset_id(dataset_id)
    except (TypeError, ValueError):  # a TypeError where the version is missing
        raise InputError(
            f"{dataset_id!r} is no Minari id: give one such as local/hopper/medium-v0"
        ) from None


def open_dataset(dataset_id: str) -> MinariDataset:
    """Open a local dataset, or download it first; nothing of its episodes is read."""
    root = datasets_root()
    logging.disable(logging.WARNING)  # a download tells of each of its retries
    try:
        return minari.load_dataset(dataset_id, download=True)
    except Exception as error:  # a download may fail in as many ways as a network
        if (root / dataset_id / "data").exists():
            raise damaged(dataset_id, error) from error
        at_hand = ", ".join(nearest_local(root, dataset_id))
        raise InputError(
            f"dataset {dataset_id!r} is not here and cannot be downloaded "
            f"({first_line(error)}); at hand: {at_hand or 'none'} "
            "(MINARI_DATASETS_PATH says where to look)"
        ) from error
    finally:
        logging.disable(logging.NOTSET)


def is_local(dataset_id: str) -> bool:
    """Whether a dataset of this id is here, whole or damaged."""
    return (datasets_root() / dataset_id / "data").exists()


def nearest_local(root: Path, dataset_id: str) -> list[str]:
    """The ids of the datasets under a folder, those most like the given one first."""
    found = [x.parent.parent for x in root.rglob("data/metadata.json")]
    names = sorted(x.relative_to(root).as_posix() for x in found)
    names = [name for name in names if not name.startswith(".")]  # a draft
    matcher = difflib.SequenceMatcher(b=dataset_id)

    def likeness(name: str) -> float:
        matcher.set_seq1(name)
        return matcher.ratio()

    return sorted(names, key=likeness, reverse=True)


def damaged(dataset_id: str, error: Exception) -> InputError:
    """Say that a dataset is here and cannot be read."""
    return InputError(
        f"dataset {dataset_id} cannot be read ({first_line(error)}): its files may be "
        "damaged, fetch or make it anew"
    )


def check_spaces(dataset: MinariDataset) -> None:
    """Raise `InputError` unless observations and actions are flat and continuous."""
    for kind, space in spaces(dataset).items():
        flat = isinstance(space, gym.spaces.Box) and len(space.shape) == 1
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
    """Raise `InputError` unless both datasets come from the same kind of robot."""
    facts = [
        spaces(x) | {"environment": x.env_spec and x.env_spec.name}
        for x in (first, other)
    ]
    for kind in facts[0]:
        if facts[0][kind] != facts[1][kind]:
            raise InputError(
                f"dataset {other.id} has {kind} {facts[1][kind]} and {first.id} has "
                f"{facts[0][kind]}: datasets to be joined must agree"
            )


def spaces(dataset: MinariDataset) -> dict[str, gym.Space]:
    """The two spaces by the words that messages use."""
    return {"observations": dataset.observation_space, "actions": dataset.action_space}
