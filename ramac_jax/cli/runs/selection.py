"""Honest selection: a setting is selected and reported on other seeds and episodes."""

import dataclasses
from typing import Any

from ramac_jax.acting import describe
from ramac_jax.cli.options.evaluation import MEASURES
from ramac_jax.cli.options.sweep import SweepOptions
from ramac_jax.cli.runs.acting import acting_options
from ramac_jax.errors import InputError, check_names

SELECTION_SEED = 1_000_000_000
"""Seed of the first episode to select on; reported episodes have lower seeds."""


@dataclasses.dataclass(frozen=True)
class SelectionEpisodes:
    """Episodes that select a setting, and those that are reported."""

    measure: str
    """"cvar" or "mean" of the episodes."""
    level: float
    """Level of the CVaR."""
    selection_episodes: int
    episodes: int
    """Reported episodes of each agent."""
    first_seed: int
    """Seed of the first reported episode."""

    @property
    def criterion(self) -> str:
        """The measure in words."""
        return self.in_words(self.measure)

    def in_words(self, measure: str) -> str:
        """Return "cvar" or "mean" in words."""
        return f"CVaR {self.level:g}" if measure == "cvar" else "mean return"

    def protocol_changes(self) -> dict[str, Any]:
        """Return the fields of the evaluation protocol that selection changes."""
        return {"episodes": self.selection_episodes, "seed": SELECTION_SEED}

    def check_episodes(self, agents: int, option: str = "--eval-seed") -> None:
        """Raise `InputError` where a reported episode may be one to select on.

        Args:
          agents: their number.
          option: that gives the seed of the first reported episode.
        """
        if SELECTION_SEED + agents * self.selection_episodes > 2**31:
            raise InputError(
                f"--selection-episodes is {self.selection_episodes} for {agents} "
                "agents: give fewer"
            )
        if self.first_seed + agents * self.episodes > SELECTION_SEED:
            raise InputError(
                f"{option} is {self.first_seed}: the episodes from "
                f"{SELECTION_SEED:,} on select a setting; give a lower one"
            )


@dataclasses.dataclass(frozen=True)
class Selection(SelectionEpisodes):
    """Seeds and episodes that select a setting, and those that are reported."""

    seeds: tuple[int, ...]
    """Seeds of every setting."""
    num_selecting: int | None
    """How many of the first seeds select; None: half of them."""
    objectives: tuple[str, ...] = ("cvar",)
    """What a search maximises: `measure`, or both measures."""
    max_risky: float | None = None
    """Largest share of risky steps in the episodes to select on; None: any."""
    acting: str = ""
    """Acting options in words; "": as trained."""

    @classmethod
    def of(cls, options: SweepOptions) -> "Selection":
        """Return the selection that the options describe."""
        objectives = tuple(options.selection.objective.split(","))
        return cls(
            measure="cvar" if "cvar" in objectives else "mean",
            objectives=objectives,
            max_risky=options.selection.max_risky,
            level=options.evaluation.eval_level,
            seeds=tuple(options.training.seeds),
            num_selecting=options.selection.selection_seeds,
            selection_episodes=options.selection.selection_episodes,
            episodes=options.evaluation.episodes,
            first_seed=options.evaluation.eval_seed,
            acting=describe(
                acting_options(options.evaluation, options.hyperparams.risk_level)
            ),
        )

    @property
    def titles(self) -> list[str]:
        """The objectives in words."""
        return [self.in_words(x) for x in self.objectives]

    def split(self) -> tuple[list[int], list[int]]:
        """Return the places among the seeds that select, and those reported."""
        places = list(range(len(self.seeds)))
        if len(places) == 1:
            return places, places
        selecting = self.num_selecting or len(places) // 2
        return places[:selecting], places[selecting:]

    def sentence(self) -> str:
        """Return which agents and episodes select a setting, and which are reported."""
        selecting, reported = (
            ", ".join(str(self.seeds[place]) for place in places)
            for places in self.split()
        )
        same = ""
        if selecting == reported:
            same = " The same agents do both: more seeds separate luck from merit."
        how = f" The agents act with {self.acting}." if self.acting else ""
        return (
            f"Settings are selected by the {self.criterion} of "
            f"{self.selection_episodes} episodes of each agent of seed {selecting}, "
            f"and reported on {self.episodes} other episodes of each agent of seed "
            f"{reported}.{self.rule()}{same}{how}"
        )

    def rule(self) -> str:
        """Return what else decides than one measure, in sentences."""
        front = limit = ""
        if len(self.objectives) > 1:
            front = (
                " Settings on the Pareto front of CVaR and mean return come first, and "
                f"best/ is the setting on it with the highest {self.criterion}."
            )
        if self.max_risky is not None:
            limit = (
                f" A setting with more than {100 * self.max_risky:g} % risky steps in "
                "these episodes comes after every one without."
            )
        return front + limit


def check_selection(selection: Selection, options: SweepOptions) -> None:
    """Raise `InputError` where no seeds are left to select on, or to report."""
    chosen, seeds = selection.num_selecting, len(selection.seeds)
    if chosen is not None and chosen >= max(seeds, 2):
        raise InputError(
            f"--selection-seeds is {chosen} of {seeds} seeds: leave one to report"
        )
    check_names("objective", selection.objectives, MEASURES)
    if len(set(selection.objectives)) < len(selection.objectives):
        raise InputError(
            f"--objective is {options.selection.objective}: give each objective once"
        )
    share = selection.max_risky
    if share is not None and not 0.0 <= share <= 1.0:
        raise InputError(f"--max-risky is {share:g}: give a share from 0 to 1")
    if options.search.sampler is not None and not selection.episodes:
        raise InputError(
            "--sampler learns from the objective in episodes: --episodes 0 plays none"
        )
