"""Write a Minari dataset so that it is there whole or not at all."""

import math
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gymnasium
import minari
from gymnasium.envs.registration import EnvSpec
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.dataset.minari_dataset import parse_dataset_id
from minari.dataset.minari_storage import MinariStorage
from minari.namespace import create_namespace, list_local_namespaces

from ramac_jax.data.local_datasets import check_id, datasets_root
from ramac_jax.validation import InputError, first_line

RECORD = "ramac_jax"  # the metadata key of what this library adds


def write_dataset(
    dataset_id: str,
    episodes: Iterable[EpisodeBuffer],
    *,
    observation_space: gymnasium.Space,
    action_space: gymnasium.Space,
    algorithm_name: str,
    description: str,
    env_spec: EnvSpec | None = None,
    reference: tuple[float, float] | None = None,
    record: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write episodes as a Minari dataset where MINARI_DATASETS_PATH says.

    They are written into a hidden folder there, which is moved into place when it is
    complete and removed after any failure, a key press included.

    Args:
      dataset_id: Minari id, such as local/hopper/medium-v0.
      episodes: T steps and T + 1 observations each; an iterator is written as it goes.
      observation_space: of the observations.
      action_space: of the actions.
      algorithm_name: what acted, in a few words.
      description: what the data are, for a reader.
      env_spec: the environment in which a policy of these data is evaluated.
      reference: returns of a random and of an expert policy, to normalise scores.
      record: how the data were made, in types of JSON; inf and nan become null.
      overwrite: whether to replace a dataset of this id.

    Raises `InputError` for a malformed id, one that is taken, and a folder that cannot
    be written to.
    """
    target = check_target(dataset_id, overwrite=overwrite)
    metadata = {
        "dataset_id": dataset_id,
        "minari_version": minari.__version__,
        "algorithm_name": algorithm_name,
        "description": description,
        **extra_metadata(reference, record),
    }
    root = datasets_root()
    try:
        with tempfile.TemporaryDirectory(dir=root, prefix=".draft-") as folder:
            data = Path(folder, "new", "data")
            data.mkdir(parents=True)
            storage = MinariStorage.new(data, observation_space, action_space, env_spec)
            storage.update_metadata(metadata)
            storage.update_episodes(episodes)
            make_namespace(dataset_id)
            move_into_place(data.parent, target, aside=Path(folder, "old"))
    except OSError as error:
        raise InputError(
            f"cannot write dataset {dataset_id} ({first_line(error)}): make room, or "
            "set MINARI_DATASETS_PATH to a folder of your own"
        ) from error


def extra_metadata(
    reference: tuple[float, float] | None, record: dict[str, Any] | None
) -> dict[str, Any]:
    """What a dataset may tell beyond what Minari asks for."""
    extra: dict[str, Any] = {}
    if reference is not None:
        extra |= {"ref_min_score": reference[0], "ref_max_score": reference[1]}
    if record is not None:
        extra[RECORD] = strict(record)
    return extra


def make_namespace(dataset_id: str) -> None:
    """Have the namespace of a dataset in Minari's list."""
    namespace = parse_dataset_id(dataset_id)[0]
    if namespace is not None and namespace not in list_local_namespaces():
        create_namespace(namespace)


def check_target(dataset_id: str, *, overwrite: bool) -> Path:
    """The folder of a dataset to be written; `InputError` where it must not be."""
    check_id(dataset_id)
    root = datasets_root()
    target = root / dataset_id
    above = [x.relative_to(root) for x in target.parents if x.is_relative_to(root)]
    for path in above:
        if "data" in path.parts or (root / path / "data").exists():
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
    """Rename a folder to its place; what is there goes aside, or stays on failure."""
    if target.exists():
        target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        if aside.exists():
            aside.rename(target)
        raise


def strict(value: Any) -> Any:
    """The same value for strict JSON: None in place of inf and nan, lists of tuples."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
