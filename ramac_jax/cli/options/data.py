"""The options of `ramac data convert` and `ramac data relabel`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from ramac_jax.cli.options.words import read_words
from ramac_jax.tasks import TASKS


@dataclasses.dataclass(frozen=True)
class OwnFile:
    """Keys of the arrays of a file of your own, and where its policies act."""

    observations: tuple[str, ...] = ()
    """Keys of the observations of steps; several are put side by side. Give them for a
    file of your own."""
    actions: tuple[str, ...] = ("actions",)
    """Keys of the actions."""
    rewards: str = "rewards"
    """Key of the rewards."""
    terminals: str | None = None
    """Key of flags: the task ended the episode; None: terminals, where it is there."""
    timeouts: str | None = None
    """Key of flags: the episode was cut off; None: timeouts, where it is there."""
    next_observations: tuple[str, ...] = ()
    """Keys of the observations after each step; (): those of the next row."""
    env: str | None = None
    """Gymnasium id of the environment for evaluations; it has the bounds of actions."""
    action_low: float = -1.0
    """Lower bound of each action, without an environment."""
    action_high: float = 1.0
    """Upper bound of each action, without an environment."""


@dataclasses.dataclass(frozen=True)
class Convert:
    """Turn a file of steps into a Minari dataset: D4RL's, OGBench's or your own."""

    file: tyro.conf.Positional[Path]
    """The file, such as hopper_medium_replay-v2.hdf5, or an .npz or .hdf5 of your
    own."""
    robot: str | None = None
    """Of D4RL: HalfCheetah, Hopper or Walker2d, or antmaze, kitchen, pen, hammer, door
    or relocate; None: from the name of the file."""
    id: str | None = None
    """Minari id to write; None: d4rl/hopper/medium-replay-v2 for the file above."""
    robot_version: int = 4
    """Version of Gymnasium's robot for evaluations: 4 moves as D4RL's robots, 5 has
    corrected dynamics."""
    ogbench_task: int = 1
    """Of a file of OGBench: the single task, 1 to 5, whose rewards it gets."""
    clip_actions: bool = False
    """Clip actions that are beyond their bounds; without it they are refused."""
    own: tyro.conf.OmitArgPrefixes[OwnFile] = OwnFile()
    """Of a file of your own, what its arrays are."""
    overwrite: bool = False
    """Replace the dataset of that id."""


@dataclasses.dataclass(frozen=True)
class HazardOptions:
    """Fields of the hazard; without a task, all but the coordinate and the ends."""

    quantity: str | None = None
    """Monitored quantity: "x velocity" (m/s) or "torso angle" (rad)."""
    coordinate: int | None = None
    """Coordinate of the observation that holds the quantity; None: from the robot."""
    low: float | None = None
    """A state below is risky."""
    high: float | None = None
    """A state above is risky."""
    probability: float | None = None
    """Probability of the penalty in a step to a risky state."""
    penalty: float | None = None
    """Added to the reward of a charged step; negative."""
    end_low: float | None = None
    """An episode ends below; -inf: no bound."""
    end_high: float | None = None
    """An episode ends above; inf: no bound."""


@dataclasses.dataclass(frozen=True)
class Relabel:
    """Add the penalties of a hazard to the rewards of Minari datasets."""

    source: tyro.conf.UseAppendAction[tuple[str, ...]]
    """Minari id, on disk or to download; repeat the option to join datasets."""
    task: Annotated[
        str | None,
        tyro.conf.arg(help=f"Task whose hazard it is: {', '.join(TASKS)}."),
    ] = None
    id: str | None = None
    """Minari id to write; None: the stochastic dataset of the task."""
    seed: int = 0
    """Seed of the draws, one for each step."""
    overwrite: bool = False
    """Replace the dataset of that id."""
    robot: str | None = None
    """Without a task, the robot that the sources must have; None: any."""
    robot_version: int | None = None
    """Version of Gymnasium's robot for evaluations; None: as the sources."""
    clip_actions: bool = False
    """Clip actions that are beyond their bounds; without it they are refused."""
    hazard: tyro.conf.OmitArgPrefixes[HazardOptions] = HazardOptions()
    """The hazard; with a task, these options replace fields of the task's hazard."""


def parse(argv: Sequence[str]) -> Convert | Relabel:
    """Read the command line; exits for `--help`, `InputError` where it is malformed."""
    return read_words(
        Annotated[Convert, tyro.conf.subcommand("convert")]
        | Annotated[Relabel, tyro.conf.subcommand("relabel")],
        argv,
        prog="ramac data",
        description="Make datasets in the folder RAMAC_JAX_DATASETS_PATH, or else "
        "MINARI_DATASETS_PATH.",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
