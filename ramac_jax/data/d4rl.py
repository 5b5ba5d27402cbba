"""D4RL's HDF5 files: Gymnasium's robots, and the mazes, kitchens and hands of D4RL."""

from pathlib import Path
from typing import NamedTuple

import gymnasium
import numpy as np

from ramac_jax.data.step_files import list_arrays, read_arrays
from ramac_jax.data.steps import NEXT, Spaces, StepEpisodes, make_episodes
from ramac_jax.envs.registration import make_environment
from ramac_jax.errors import InputError, check_names, first_line

NEEDED = ("observations", "actions", "rewards", "terminals", "timeouts")
"""Arrays that a file of a robot must hold."""


class Family(NamedTuple):
    """Tasks of D4RL whose environment Gymnasium does not have."""

    name: str
    observation_dim: int
    action_dim: int
    reference: tuple[float, float]
    """Returns of D4RL's random and expert policy."""
    ends_at_terminals: bool = True
    """Whether `terminals` mark ends: a file of the ant mazes goes on at the goal."""


FAMILIES = {
    x.name: x
    for x in (
        Family("antmaze", 29, 8, (0.0, 1.0), ends_at_terminals=False),
        Family("kitchen", 60, 9, (0.0, 4.0)),
        Family("pen", 45, 24, (96.262799, 3076.8331017826877)),
        Family("hammer", 46, 26, (-274.856578, 12794.134825156867)),
        Family("door", 39, 28, (-56.512833, 2880.5693087298737)),
        Family("relocate", 39, 30, (-6.425911, 4233.877797728884)),
    )
}


def read_d4rl(path: Path, robot: str, *, clip: bool = False) -> StepEpisodes:
    """Read a file of the v2 layout into episodes, float32, as `make_episodes` cuts.

    Args:
      path: the HDF5 file.
      robot: Gymnasium's name without the version, such as Hopper.
      clip: clip actions that are beyond their bounds.

    Raises `InputError` for a file that cannot be read or lacks an array, and as
    `make_episodes`.
    """
    held = list_arrays(path)
    if missing := [key for key in NEEDED if key not in held]:
        raise InputError(
            f"{path} lacks arrays of numbers {', '.join(missing)}: give a D4RL file of "
            "version 2, which has them"
        )
    return cut_file(path, held, robot_spaces(robot), clip=clip)


def read_family(path: Path, family: str, *, clip: bool = False) -> StepEpisodes:
    """Read a file of D4RL's mazes, kitchens or hands into episodes, float32.

    Such a file has no `next_observations`; `infos/` is not read. Without `timeouts`, an
    episode ends at `terminals` alone.

    Args:
      path: the HDF5 file.
      family: a name in `FAMILIES`.
      clip: clip actions that are beyond their bounds.

    Raises `InputError` as `read_d4rl`.
    """
    check_names("family of D4RL", [family], FAMILIES)
    facts, held = FAMILIES[family], list_arrays(path)
    needed = [key for key in NEEDED if key != "timeouts" or not facts.ends_at_terminals]
    if missing := [key for key in needed if key not in held]:
        raise InputError(
            f"{path} lacks arrays of numbers {', '.join(missing)}: give a D4RL file of "
            f"{family}, which has them"
        )
    return cut_file(
        path,
        held,
        family_spaces(facts),
        ends_at_terminals=facts.ends_at_terminals,
        clip=clip,
    )


def cut_file(
    path: Path,
    held: list[str],
    spaces: Spaces,
    *,
    ends_at_terminals: bool = True,
    clip: bool,
) -> StepEpisodes:
    """Read the arrays of a file that it holds, and cut them into episodes."""
    wanted = {key: (key,) for key in (*NEEDED, NEXT) if key in held}
    arrays = read_arrays(path, wanted, np.float32)
    try:
        return make_episodes(
            arrays, spaces, ends_at_terminals=ends_at_terminals, clip=clip
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def family_spaces(family: Family) -> Spaces:
    """Return the spaces of a family's environments."""
    size = (family.observation_dim,)
    observation = gymnasium.spaces.Box(-np.inf, np.inf, size, np.float32)
    action = gymnasium.spaces.Box(-1.0, 1.0, (family.action_dim,), np.float32)
    return Spaces(observation, action, family.name)


def robot_spaces(robot: str) -> Spaces:
    """Return the spaces of a robot."""
    try:
        spec = gymnasium.spec(f"{robot}-v5")
    except (gymnasium.error.Error, ImportError, ValueError) as error:  # "module:Name"
        raise InputError(
            f"there is no robot {robot!r} ({first_line(error)}): give HalfCheetah, "
            "Hopper or Walker2d"
        ) from None
    env = make_environment(spec)
    spaces = Spaces(env.observation_space, env.action_space, robot)
    env.close()
    return spaces
