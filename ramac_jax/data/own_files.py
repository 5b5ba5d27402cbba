"""Files of one's own: arrays of steps under any keys, as episodes."""

from pathlib import Path
from typing import NamedTuple

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from ramac_jax.data.step_files import list_arrays, read_arrays
from ramac_jax.data.steps import NEXT, Spaces, StepEpisodes, make_episodes
from ramac_jax.envs.spaces import is_flat
from ramac_jax.errors import InputError


class FileKeys(NamedTuple):
    """The keys of the arrays of a file."""

    observations: tuple[str, ...]  # several are put side by side
    actions: tuple[str, ...] = ("actions",)
    rewards: str = "rewards"
    terminals: str | None = None
    """Flags: the task ended the episode; None: `terminals`, where it is there."""
    timeouts: str | None = None
    """Flags: the episode was cut off; None: `timeouts`, where it is there."""
    next_observations: tuple[str, ...] = ()


class OwnData(NamedTuple):
    """What a file of one's own holds."""

    converted: StepEpisodes
    spaces: Spaces


def read_own_file(
    path: Path,
    keys: FileKeys,
    actions: gymnasium.spaces.Box | tuple[float, float] = (-1.0, 1.0),
    *,
    clip: bool = False,
) -> OwnData:
    """Read a file into episodes, as `make_episodes` cuts them.

    Observations keep their precision. An array of D numbers, or of [D, 1], is one
    column.

    Args:
      path: an HDF5 file or an .npz.
      keys: of its arrays.
      actions: the space of the actions, or a lower and an upper bound of all of them.
      clip: clip actions that are beyond their bounds.

    Raises `InputError` for a file that cannot be read or lacks an array, for one that
    does not say where its episodes end, and as `make_episodes`.
    """
    wanted = find_keys(path, keys)
    try:
        arrays = read_arrays(path, wanted)
        for name in arrays:
            vectors = name in ("observations", "actions", NEXT)
            arrays[name] = as_column(arrays[name], vectors)
        arrays["actions"] = arrays["actions"].astype(np.float32)
        arrays.setdefault("terminals", np.zeros(len(arrays["rewards"])))
        spaces = spaces_of(arrays, actions)
        return OwnData(make_episodes(arrays, spaces, clip=clip), spaces)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def find_keys(path: Path, keys: FileKeys) -> dict[str, tuple[str, ...]]:
    """Return the keys of each array, those that are in the file by default included."""
    held = list_arrays(path)
    wanted = {
        "observations": keys.observations,
        "actions": keys.actions,
        "rewards": (keys.rewards,),
    }
    for name in ("terminals", "timeouts"):
        given = getattr(keys, name)
        if given is not None or name in held:
            wanted[name] = (given or name,)
    if keys.next_observations:
        wanted[NEXT] = keys.next_observations
    missing = [key for some in wanted.values() for key in some if key not in held]
    if missing:
        raise InputError(
            f"{path} lacks arrays of numbers {', '.join(missing)}; it holds "
            f"{', '.join(held) or 'none'}: name them by --observations, --actions, "
            "--rewards, --terminals and --timeouts"
        )
    if not {"terminals", "timeouts"} & set(wanted):
        raise InputError(
            f"{path} does not say where its episodes end; it holds {', '.join(held)}: "
            "give --terminals (the task ended the episode) or --timeouts (it was cut "
            "off)"
        )
    return wanted


def as_column(value: np.ndarray, vectors: bool) -> np.ndarray:
    """Return [D] as [D, 1] for an array of vectors, and [D, 1] as [D] for another."""
    if vectors:
        return value[:, None] if value.ndim == 1 else value
    return value[:, 0] if value.ndim == 2 and value.shape[1] == 1 else value


def spaces_of(
    arrays: dict[str, np.ndarray],
    actions: gymnasium.spaces.Box | tuple[float, float],
) -> Spaces:
    """Return the spaces of the arrays of a file.

    Raises `InputError` for bounds of actions that are no bounds.
    """
    observation, action = arrays["observations"], arrays["actions"]
    if not isinstance(actions, gymnasium.spaces.Box):
        low, high = actions
        if not (np.isfinite([low, high]).all() and low < high):
            raise InputError(f"the actions' bounds are {low:g} and {high:g}: give two")
        actions = gymnasium.spaces.Box(low, high, action.shape[1:], np.float32)
    space = gymnasium.spaces.Box(
        -np.inf,
        np.inf,
        observation.shape[1:],
        np.result_type(observation.dtype, np.float32),
    )
    return Spaces(space, actions, "the environment")


def check_actions(spec: EnvSpec, space: gymnasium.Space) -> None:
    """Raise `InputError` unless an environment's actions are vectors with bounds."""
    if not is_flat(space) or not np.isfinite([space.low, space.high]).all():
        raise InputError(
            f"{spec.id} has actions {space}: an agent needs a flat Box with bounds"
        )


def check_observations(spec: EnvSpec, space: gymnasium.Space, spaces: Spaces) -> None:
    """Raise `InputError` where an environment's observations are not the data's."""
    if space.shape != spaces.observation.shape:
        raise InputError(
            f"the data have observations of {spaces.observation.shape[0]} numbers and "
            f"{spec.id} {space}: give the environment that they come from"
        )
