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

DESCRIPTION = """Train every setting of a search with every seed, as one compiled
program for each combination of static options, and rank the settings.

--grid lists values, --random gives ranges to draw from on a logarithmic scale,
--halving trains all settings briefly and the best of them for longer. Some of the seeds
select a setting and the others are reported, each with episodes of their own. Every
option of ramac train is one that the settings have in common. The same command resumes
an unfinished search."""


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """The settings to try."""

    grid: tuple[str, ...] = ()
    """NAME=VALUE,VALUE of any hyperparameter, or of a static option: actor,
    risk_measure, actor_widths (256x256), sampler_steps, critic, num_critics, num_atoms,
    target_steps, independent_targets, num_quantiles, num_risk_quantiles, critic_width,
    embedding_width, num_cosines, head, precision, batch_size."""
    random: tuple[str, ...] = ()
    """NAME=LOW..HIGH of any hyperparameter; each point of the grid meets each draw."""
    num_draws: int = 16
    """Draws from the ranges of --random."""
    search_seed: int = 0
    """Seed of the draws."""
    halving: int | None = None
    """Successive halving: one in every so many settings stays, for so many times the
    updates; None: all settings train to the end."""


@dataclasses.dataclass(frozen=True)
class SelectionOptions:
    """How one setting is selected: on other seeds and episodes than it is reported."""

    select: Annotated[
        str, choices(MEASURES, "Measure of the episodes that selects a setting")
    ] = "cvar"
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
    for option in ("--grid", "--random"):
        places = [i for i, word in enumerate(argv) if word == option]
        joined = [word for word in argv if word.startswith(f"{option}=")]
        if len(places) + len(joined) > 1:  # the last would replace the others
            raise InputError(f"{option} is given twice: give it once, with all words")
        for i in places:
            if "".join(argv[i + 1 : i + 2]).startswith("--") or i + 1 == len(argv):
                raise InputError(f"{option} is empty: give NAME=VALUES after it")
    return parse_over_preset(argv, SweepOptions, "ramac sweep", DESCRIPTION)
