"""Arrays of steps, one after the other, cut into episodes with exact ends."""

from typing import NamedTuple

import gymnasium
import numpy as np
from minari.data_collector.episode_buffer import EpisodeBuffer

from ramac_jax.data.clipping import Clipping, clip_actions, reject_outside
from ramac_jax.errors import InputError
from ramac_jax.validation import reject_rows

NEXT = "next_observations"
AXES = {
    "observations": 2,
    "actions": 2,
    "rewards": 1,
    "terminals": 1,
    "timeouts": 1,
    NEXT: 2,
}
"""Numbers of axes of the arrays; the first axis is the steps."""
MAX_SPLIT_SHARE = 0.5
"""Largest share of rows inside episodes that another row may follow."""


class StepEpisodes(NamedTuple):
    """The episodes of a file, and how the conversion changed the data."""

    episodes: list[EpisodeBuffer]  # T steps and T + 1 observations each
    steps: int  # kept
    splits: int  # ends added where the next observation is not that of the next row
    split_share: float  # of the rows inside the file's own episodes
    dropped: int  # last steps left out because no observation follows
    repeated: int  # terminated last steps followed by their own observation
    clipping: Clipping  # of the actions of the steps kept


class Spaces(NamedTuple):
    """What the steps of a file must agree with."""

    observation: gymnasium.spaces.Box
    action: gymnasium.spaces.Box
    owner: str  # whose spaces they are, such as Hopper


def make_episodes(
    arrays: dict[str, np.ndarray],
    spaces: Spaces,
    *,
    ends_at_terminals: bool = True,
    clip: bool = False,
) -> StepEpisodes:
    """Cut arrays [D, ...] by the names of `AXES` into episodes.

    An episode ends at a row of `terminals` (terminated) or `timeouts` (truncated), and
    at the last row (truncated). With `next_observations` each step keeps its true next
    observation; where that is not the observation of the next row, the episode ends,
    truncated. Without them, the observation after an episode's last step is unknown: a
    truncated last step is dropped; a terminated last step is kept and followed by its
    own observation, because its target has no next value.

    Args:
      arrays: the steps; `timeouts` and `next_observations` may be absent.
      spaces: of the steps.
      ends_at_terminals: False: the rows after a terminated step go on from it, and only
        `timeouts` end an episode.
      clip: clip actions that are beyond their bounds.

    Raises `InputError` for arrays of wrong shapes, for rows that are not finite or
    whose action is outside its space, for flags that mark no end where there are no
    next observations to show one, and for next observations that differ from most next
    rows.
    """
    arrays = dict(arrays)
    arrays.setdefault("timeouts", np.zeros_like(arrays["terminals"]))
    check_shapes(arrays)
    check_widths(arrays, spaces)
    check_numbers(arrays)
    terminated = arrays["terminals"] != 0
    ends = arrays["timeouts"] != 0
    if ends_at_terminals:
        ends |= terminated
    if NEXT not in arrays and not ends.any():
        raise InputError(
            "its flags mark no end of an episode: mark the last step of each, or give "
            "the observations after each step"
        )
    ends[-1] = True
    splits, inside = find_splits(arrays, ends)
    ends |= splits
    unknown = NEXT not in arrays
    dropped = ends & ~terminated & unknown
    arrays["actions"], clipping = bounded(
        arrays["actions"], ~dropped, spaces.action, clip
    )
    episodes = cut(arrays, terminated, np.flatnonzero(ends) + 1)
    if not episodes:
        raise InputError("no step has an observation after it")
    return StepEpisodes(
        episodes=episodes,
        steps=sum(len(x.rewards) for x in episodes),
        splits=int(splits.sum()),
        split_share=int(splits.sum()) / max(inside, 1),
        dropped=int(dropped.sum()),
        repeated=int((ends & terminated & unknown).sum()),
        clipping=clipping,
    )


def bounded(
    action: np.ndarray, kept: np.ndarray, box: gymnasium.spaces.Box, clip: bool
) -> tuple[np.ndarray, Clipping]:
    """Return actions [D, A] within their bounds, or refuse those beyond.

    Of the clipped actions, only those of the rows that are kept [D] are counted.
    """
    if not clip:
        reject_outside(action, box.low, box.high, name="actions")
        return action, Clipping()
    clipped = action.copy()
    clipped[kept], clipping = clip_actions(action[kept], box.low, box.high)
    return clipped, clipping


def find_splits(
    arrays: dict[str, np.ndarray], ends: np.ndarray
) -> tuple[np.ndarray, int]:
    """Return which rows [D] inside an episode are followed by another step's row.

    Returns the mask, and the number of rows inside an episode.

    Raises `InputError` where these are most rows: then the two arrays of observations
    have different scales, or one of them is shifted.
    """
    splits, count = np.zeros_like(ends), int((~ends).sum())
    if NEXT in arrays:
        apart = (arrays[NEXT][:-1] != arrays["observations"][1:]).any(axis=1)
        splits[:-1] = ~ends[:-1] & apart
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


def check_shapes(arrays: dict[str, np.ndarray]) -> None:
    """Raise `InputError` for a wrong number of axes, or of steps."""
    for name, value in arrays.items():
        axes = AXES[name]
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


def check_widths(arrays: dict[str, np.ndarray], spaces: Spaces) -> None:
    """Raise `InputError` unless rows are as wide as their space."""
    for name, space in (
        ("observations", spaces.observation),
        ("actions", spaces.action),
        (NEXT, spaces.observation),
    ):
        if name in arrays and arrays[name].shape[1:] != space.shape:
            raise InputError(
                f"{name} are {arrays[name].shape[1]} wide and {spaces.owner}'s "
                f"{space.shape[0]}: give the robot of this file"
            )


def check_numbers(arrays: dict[str, np.ndarray]) -> None:
    """Raise `InputError` for numbers that are not finite, and flags that are none."""
    for name, value in arrays.items():
        with np.errstate(over="ignore"):  # beyond float32: inf
            bad = ~np.isfinite(value.astype(np.float32))
        reject_rows(name, bad, value, "NaN or infinite", "clean the data")
    for name in ("terminals", "timeouts"):
        flag = arrays[name]
        reject_rows(name, (flag != 0) & (flag != 1), flag, "not 0 or 1", "fix it")
