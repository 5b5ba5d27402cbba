"""The options of `ramac sweep`.

This module imports no JAX, so that `ramac sweep --help` is fast.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

from tyro.conf import OmitArgPrefixes

from ramac_jax.cli.options.evaluation import MEASURES
from ramac_jax.cli.options.sections import choices
from ramac_jax.cli.options.train import TrainOptions, parse_over_preset
from ramac_jax.errors import InputError
from ramac_jax.registry import PRUNERS, SAMPLERS

DESCRIPTION = """Train every setting of a search with every seed, as one compiled
program for each combination of static options, and rank the settings.

--grid lists values, and alone trains every combination of them at once. --sampler asks
Optuna instead, in rounds of --batch settings: each round trains one population, and its
scores decide what the next one tries. Any number of processes share a study by
--storage. Some of the seeds select a setting and the others are reported, each with
episodes of their own. Every option of ramac train is one that the settings have in
common. The same command resumes an unfinished search."""


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """The settings to try."""

    grid: tuple[str, ...] = ()
    """NAME=VALUE,VALUE of any hyperparameter, or of a static option: actor,
    risk_measure, actor_widths (256x256), sampler_steps, critic, num_critics, num_atoms,
    target_steps, independent_targets, num_quantiles, num_risk_quantiles,
    num_penalty_quantiles, critic_width, embedding_width, num_cosines, head, precision,
    batch_size."""
    range: tuple[str, ...] = ()
    """NAME=LOW..HIGH of any hyperparameter, on a logarithmic scale, or
    NAME=LOW..HIGH:linear; for a sampler."""
    sampler: Annotated[
        str | None, choices(SAMPLERS, "What chooses the settings of each round")
    ] = None
    trials: int | None = None
    """Settings to try, those of all processes of the study together; None: with the
    sampler grid all points."""
    batch: int = 8
    """Settings of a round, which train together with every seed."""
    search_seed: int = 0
    """Seed of the sampler."""
    pruner: Annotated[
        str | None, choices(PRUNERS, "What stops settings before their last update")
    ] = None
    reduction_factor: int = 3
    """Of the settings at a rung of the pruner, one in so many goes on, for so many
    times the updates."""
    storage: str | None = None
    """URL of the database of the study, such as postgresql://user@host/name; None:
    study.db, an SQLite file in the run's folder."""
    study: str = "sweep"
    """Name of the study in the storage."""


@dataclasses.dataclass(frozen=True)
class SelectionOptions:
    """How one setting is selected: on other seeds and episodes than it is reported."""

    objective: Annotated[
        str,
        choices(MEASURES, "Measure of the episodes that selects a setting, or both"),
    ] = "cvar"
    max_risky: float | None = None
    """Largest share of risky steps that a setting may have, from 0 to 1; None: any."""
    selection_seeds: int | None = None
    """Seeds, the first ones, to select on; the others are reported. None: half of them.
    A single seed does both, in different episodes."""
    selection_episodes: int = 100
    """Episodes of each agent to select on."""


@dataclasses.dataclass(frozen=True)
class SweepOptions(TrainOptions):
    """The command line of `ramac sweep`."""

    search: OmitArgPrefixes[SearchOptions]
    selection: OmitArgPrefixes[SelectionOptions]


def parse(argv: Sequence[str]) -> SweepOptions:
    """Read the command line over its preset, as `parse_over_preset` does."""
    for option in ("--grid", "--range"):
        places = [i for i, word in enumerate(argv) if word == option]
        joined = [word for word in argv if word.startswith(f"{option}=")]
        if len(places) + len(joined) > 1:  # the last would replace the others
            raise InputError(f"{option} is given twice: give it once, with all words")
        for i in places:
            if "".join(argv[i + 1 : i + 2]).startswith("--") or i + 1 == len(argv):
                raise InputError(f"{option} is empty: give NAME=VALUES after it")
    return parse_over_preset(argv, SweepOptions, "ramac sweep", DESCRIPTION)
