"""The options of `ramac evaluate`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from ramac_jax.cli.options.evaluation import FIRST_EPISODE_SEED, MEASURES
from ramac_jax.cli.options.sections import choices
from ramac_jax.cli.options.words import read_words

DESCRIPTION = """Play episodes of a trained run in its environment.

Agents act as they did in the evaluations of their run, but for the options that are
given. Several temperatures, risk levels or softmax temperatures make several settings.
One of them is selected on episodes of their own, and reported on the others."""


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """The command line."""

    run: tyro.conf.Positional[str]
    """Folder of a run of ramac train, whose checkpoint/ and run.json are read, or of
    ramac export; or hf://OWNER/NAME, an export on the Hugging Face hub."""
    episodes: int = 100
    """Episodes of each seed; each seed plays its own, the same in every run."""
    horizon: str | None = None
    """paper (the task's), full (1000) or steps; None: paper, without a task the
    environment's time limit, or else full."""
    level: float = 0.1
    """Level of the CVaR."""
    seed: int = FIRST_EPISODE_SEED
    """Seed of the first episode."""
    workers: int = 0
    """Processes that step the simulators; for robots in batches, the most threads. 0:
    this process, with a thread for each core."""
    temperatures: tuple[float, ...] | None = None
    """Factors on the noise of the sampler, each played; 0: deterministic, 1: as
    trained."""
    num_candidates: int | None = None
    """Actions drawn at each step; of the typical half the critics choose one. An export
    has those that it was made with."""
    risk_levels: tuple[float, ...] | None = None
    """Levels of the agent's risk measure that rank the candidates, each played."""
    softmax_temperatures: tuple[float, ...] | None = None
    """Temperatures, each played: a candidate is drawn from the softmax of the critics'
    values over it, in their unit; 0: the best is taken."""
    select: Annotated[
        str, choices(MEASURES, "Measure of other episodes that selects a setting")
    ] = "cvar"
    selection_episodes: int = 100
    """Episodes of each seed to select on, where several settings are given."""
    out: Path | None = None
    """Folder to write to; None: the run's, which must not be on the hub."""
    task: str | None = None
    """Task to act in; None: the run's own."""
    env: str | None = None
    """Gymnasium id to act in, instead of a task's."""


def parse(argv: Sequence[str]) -> EvaluateOptions:
    """Read the command line; exits for `--help`, `InputError` where it is malformed."""
    return read_words(
        EvaluateOptions, argv, prog="ramac evaluate", description=DESCRIPTION
    )
