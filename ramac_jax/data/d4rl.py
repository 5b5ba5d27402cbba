"""D4RL's HDF5 files as episodes with exact ends."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import gymnasium
import h5py
import numpy as np
from minari.data_collector.episode_buffer import EpisodeBuffer

from ramac_jax.data.read_errors import advice_on
from ramac_jax.envs.registration import make_environment
from ramac_jax.errors import InputError, first_line
from ramac_jax.validation import ACTION_TOLERANCE, reject_rows

AXES = {"observations": 2, "actions": 2, "rewards": 1, "terminals": 1, "timeouts": 1}
"""Arrays that a file must hold, with their numbers of axes; the first is the steps."""
NO_HDF5 = "it is no HDF5 file, or a damaged one; download it again"
NEXT = "next_observations"
MAX_SPLIT_SHARE = 0.5
"""Largest share of rows inside episodes that another row may follow."""


class D4RLEpisodes(NamedTuple):
    """The episodes of a file, and how the conversion changed the data."""

    episodes: list[EpisodeBuffer]  # float32, T steps and T + 1 observations each
    steps: int  # kept
    splits: int  # ends added where the next observation is not that of the next row
    split_share: float  # of the rows inside the file's own episodes
    dropped: int  # last steps left out because no observation follows
    repeated: int  # terminated last steps followed by their own observation
    sha256: str  # of the file


def read_d4rl(path: Path, robot: str) -> D4RLEpisodes:
    """Read a file of the v2 layout into episodes.

    An episode ends at a row of `terminals` (terminated) or `timeouts` (truncated), and
    at the end of the file (truncated). With `next_observations` each step keeps its
    true next observation; where that is not the observation of the next row, the
    episode ends, truncated. Without them, the observation after an episode's last step
    is unknown: a truncated last step is dropped; a terminated last step is kept and
    followed by its own observation, because its target has no next value.

    Args:
      path: the HDF5 file.
      robot: Gymnasium's name without the version, such as Hopper.

    Raises `InputError` for a file that cannot be read, that lacks an array or has one
    of the wrong shape for the robot, for rows that are not finite or whose action is
    outside the robot's space, and for next observations that differ from most next
    rows.
    """
    arrays = read_arrays(path)
    try:
        check_arrays(arrays, robot)
        splits, inside = find_splits(arrays)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    terminated = arrays["terminals"] != 0
    ends = terminated | (arrays["timeouts"] != 0) | splits
    ends[-1] = True
    episodes = cut(arrays, terminated, np.flatnonzero(ends) + 1)
    if not episodes:
        raise InputError(f"{path}: no step has an observation after it")
    unknown = NEXT not in arrays
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return D4RLEpisodes(
        episodes=episodes,
        steps=sum(len(x.rewards) for x in episodes),
        splits=int(splits.sum()),
        split_share=int(splits.sum()) / max(inside, 1),
        dropped=int((ends & ~terminated).sum()) if unknown else 0,
        repeated=int(terminated.sum()) if unknown else 0,
        sha256=sha256,
    )


def find_splits(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, int]:
    """Return which rows [D] inside an episode are followed by another step's row.

    Returns the mask, and the number of rows inside an episode.

    Raises `InputError` where these are most rows: then the two arrays of observations
    have different scales, or one of them is shifted.
    """
    inside = (arrays["terminals"] == 0) & (arrays["timeouts"] == 0)
    inside[-1] = False
    splits, count = np.zeros_like(inside), int(inside.sum())
    if NEXT in arrays:
        apart = (arrays[NEXT][:-1] != arrays["observations"][1:]).any(axis=1)
        splits[:-1] = inside[:-1] & apart
    if splits.sum() > MAX_SPLIT_SHARE * count:
        raise InputError(
            f"{NEXT} differ from the next row's observations in "
            f"{splits.sum() / count:.1%} of the rows inside episodes: one of the two "
            "is shifted or normalized; download the file again or remove that array"
        )
    return splits, count


def cut(
    arrays: dict[str, np.ndarray], terminated: np.ndarray, stops: np.ndarray
) -> list[EpisodeBuffer]:
    """Cut arrays [D, ...] before each stop; leave out episodes without a step."""
    episodes: list[EpisodeBuffer] = []
    for start, stop in zip([0, *stops[:-1]], stops, strict=True):
        observation = arrays["observations"][start:stop]  # [T, O]
        if NEXT in arrays:
            after = arrays[NEXT][stop - 1 : stop]
        else:
            after = observation[-1:] if terminated[stop - 1] else observation[:0]
        observation = np.concatenate([observation, after])  # [T + 1, O]
        steps = len(observation) - 1
        if steps == 0:
            continue
        termination = terminated[start : start + steps]
        episodes.append(
            EpisodeBuffer(
                id=len(episodes),
                observations=observation,
                actions=arrays["actions"][start : start + steps],
                rewards=arrays["rewards"][start : start + steps],
                terminations=termination,
                truncations=(np.arange(steps) == steps - 1) & ~termination,
            )
        )
    return episodes


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a file as float32; `InputError` where that fails."""
    try:
        if not path.is_file():
            raise InputError(f"{path} is no file: give a D4RL HDF5 file")
        with h5py.File(path, "r") as file:
            wanted = [*AXES, *([NEXT] if NEXT in file else [])]
            found = {key: file[key] for key in wanted if key in file}
            missing = [key for key in wanted if not is_numeric(found.get(key))]
            if missing:
                raise InputError(
                    f"{path} lacks arrays of numbers {', '.join(missing)}: give a D4RL "
                    "file of version 2, which has them"
                )
            with np.errstate(over="ignore"):  # beyond float32: inf, refused
                return {k: np.asarray(x[()], np.float32) for k, x in found.items()}
    except (OSError, RuntimeError, KeyError) as error:
        advice = advice_on(error, NO_HDF5)
        raise InputError(
            f"{path} cannot be read ({first_line(error)}){advice}"
        ) from error


def is_numeric(entry: object) -> bool:
    """Return whether an entry of a file is an array of numbers or flags."""
    return isinstance(entry, h5py.Dataset) and entry.dtype.kind in "biuf"


def check_arrays(arrays: dict[str, np.ndarray], robot: str) -> None:
    """Raise `InputError` unless these are sound steps of the robot."""
    check_shapes(arrays)
    observation_space, action_space = robot_spaces(robot)
    for name, space in (
        ("observations", observation_space),
        ("actions", action_space),
        (NEXT, observation_space),
    ):
        if name in arrays and arrays[name].shape[1:] != space.shape:
            raise InputError(
                f"{name} are {arrays[name].shape[1]} wide and {robot}'s "
                f"{space.shape[0]}: give the robot of this file"
            )
    for name, value in arrays.items():
        bad = ~np.isfinite(value)
        reject_rows(name, bad, value, "NaN or infinite", "clean the data")
    for name in ("terminals", "timeouts"):
        flag = arrays[name]
        reject_rows(name, (flag != 0) & (flag != 1), flag, "not 0 or 1", "fix it")
    low, high = action_space.low, action_space.high
    slack, action = ACTION_TOLERANCE * (high - low), arrays["actions"]
    outside = (action < low - slack) | (action > high + slack)
    reject_rows("actions", outside, action, "outside its space", "fix the data")


def check_shapes(arrays: dict[str, np.ndarray]) -> None:
    """Raise `InputError` for a wrong number of axes, or of steps."""
    for name, value in arrays.items():
        axes = AXES.get(name, 2)
        if value.ndim != axes:
            raise InputError(f"{name} has shape {list(value.shape)}: give {axes} axes")
    lengths = {name: len(value) for name, value in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(
            f"arrays of different lengths ({listed}): download the file again"
        )
    if lengths["rewards"] == 0:
        raise InputError("there is no step in it: give a file with data")


def robot_spaces(robot: str) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Box]:
    """Return the observation and the action space of a robot."""
    try:
        spec = gymnasium.spec(f"{robot}-v5")
    except (gymnasium.error.Error, ImportError, ValueError) as error:  # "module:Name"
        raise InputError(
            f"there is no robot {robot!r} ({first_line(error)}): give HalfCheetah, "
            "Hopper or Walker2d"
        ) from None
    env = make_environment(spec)
    spaces = env.observation_space, env.action_space
    env.close()
    return spaces
