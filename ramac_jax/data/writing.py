"""Minari datasets written in full or not at all."""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gymnasium
import minari
from gymnasium.envs.registration import EnvSpec
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.dataset.minari_dataset import parse_dataset_id
from minari.dataset.minari_storage import MinariStorage
from minari.namespace import NAMESPACE_METADATA_FILENAME

from ramac_jax.data.local_datasets import OWN_FOLDER, check_id, datasets_roots
from ramac_jax.data.read_errors import NO_LOCKS, lock_advice
from ramac_jax.data.room import with_room
from ramac_jax.errors import InputError, first_line
from ramac_jax.files import disk_fault, strict

RECORD = "ramac_jax"
"""The key of this library's record in the metadata of a dataset."""


def write_dataset(
    dataset_id: str,
    episodes: Iterable[EpisodeBuffer],
    *,
    observation_space: gymnasium.Space,
    action_space: gymnasium.Space,
    algorithm_name: str,
    description: str | Callable[[], str],
    env_spec: EnvSpec | None = None,
    reference: tuple[float, float] | None = None,
    record: dict[str, Any] | Callable[[], dict[str, Any]] | None = None,
    overwrite: bool = False,
    root: Path | None = None,
) -> None:
    """Write episodes as a Minari dataset.

    A hidden folder next to the datasets takes the files; it moves into place when it is
    complete, and is removed after any failure, a keyboard interrupt included.

    Args:
      dataset_id: Minari id, such as local/hopper/medium-v0.
      episodes: T steps and T + 1 observations each; an iterator is written one
        episode at a time, each once there is room for it.
      observation_space: of the observations.
      action_space: of the actions.
      algorithm_name: the policy that acted, in a few words.
      description: what the data are, for a reader; a function returns it when all
        episodes are written.
      env_spec: the environment in which policies trained on the data are evaluated.
      reference: returns of a random and of an expert policy, for normalized scores.
      record: how the data were made, as `ramac_jax.files.strict` writes it; or a
        function, as above.
      overwrite: whether to replace a dataset of this id.
      root: folder of the datasets; None: that of RAMAC_JAX_DATASETS_PATH, or else of
        MINARI_DATASETS_PATH, or Minari's own folder.

    Raises `InputError` for a malformed id, an id that is taken, and a folder that
    cannot be written to or is full.
    """
    target = check_target(dataset_id, overwrite=overwrite, root=root)
    place = datasets_roots(root)[0]
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".draft-") as folder:
            data = Path(folder, "new", "data")
            data.mkdir(parents=True)
            storage = MinariStorage.new(data, observation_space, action_space, env_spec)
            storage.update_episodes(with_room(data, episodes))
            storage.update_metadata(
                {
                    "dataset_id": dataset_id,
                    "minari_version": minari.__version__,
                    "algorithm_name": algorithm_name,
                    "description": now(description),
                    **extra_metadata(reference, now(record)),
                }
            )
            make_namespaces(place, dataset_id)
            move_into_place(data.parent, target, aside=Path(folder, "old"))
    except OSError as error:
        raise unwritable(dataset_id, error, root) from error


def now(value: Any) -> Any:
    """Return a value, or what a function returns."""
    return value() if callable(value) else value


def unwritable(dataset_id: str, error: OSError, root: Path | None) -> InputError:
    """Return the error of a dataset that cannot be written."""
    if NO_LOCKS in str(error):
        advice = lock_advice(str(error))
    else:
        other = f"set {OWN_FOLDER} to" if root is None else "give"
        fault = disk_fault(error)
        first = f"{fault.advice}, or " if fault is not None else ""
        advice = f"{first}{other} a folder of your own"
    return InputError(
        f"cannot write dataset {dataset_id} ({first_line(error)}): {advice}"
    )


def extra_metadata(
    reference: tuple[float, float] | None, record: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the metadata that Minari does not require."""
    extra: dict[str, Any] = {}
    if reference is not None:
        extra |= {"ref_min_score": reference[0], "ref_max_score": reference[1]}
    if record is not None:
        extra[RECORD] = strict(record)
    return extra


def make_namespaces(place: Path, dataset_id: str) -> None:
    """Register a dataset's namespace and those above it, as Minari does.

    Minari's own function knows no folder but the default one.
    """
    namespace = parse_dataset_id(dataset_id)[0]
    if namespace is None:
        return
    for name in (Path(namespace), *Path(namespace).parents[:-1]):
        file = place / name / NAMESPACE_METADATA_FILENAME
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps({}))


def check_target(dataset_id: str, *, overwrite: bool, root: Path | None = None) -> Path:
    """Return the folder of a new dataset; `InputError` where it must not be written."""
    check_id(dataset_id)
    try:
        return free_target(dataset_id, datasets_roots(root)[0], overwrite=overwrite)
    except PermissionError as error:
        raise unwritable(dataset_id, error, root) from error


def free_target(dataset_id: str, place: Path, *, overwrite: bool) -> Path:
    """Return where a dataset goes in the folder of datasets; see `check_target`."""
    target = place / dataset_id
    above = [x.relative_to(place) for x in target.parents if x.is_relative_to(place)]
    for path in above:
        if "data" in path.parts or (place / path / "data").exists():
            raise InputError(
                f"{dataset_id!r} would lie inside the dataset {path}: give another id"
            )
    if not target.exists():
        return target
    if target.is_dir() and any(x.name != "data" for x in target.iterdir()):
        raise InputError(
            f"{dataset_id!r} is a folder with other things in it: give another id"
        )
    if not overwrite:
        raise InputError(
            f"dataset {dataset_id!r} is there already: give another id, or overwrite it"
        )
    return target


def move_into_place(new: Path, target: Path, *, aside: Path) -> None:
    """Rename a folder to its place; an older one moves aside, and back on failure."""
    if target.exists():
        target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        if aside.exists():
            aside.rename(target)
        raise
