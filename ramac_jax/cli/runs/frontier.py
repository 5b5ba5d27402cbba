"""The acting options of `ramac evaluate`: which are asked for, and what each earns."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ramac_jax.acting import ActingOptions, describe
from ramac_jax.cli.options.evaluate import EvaluateOptions
from ramac_jax.cli.options.evaluation import MEASURES
from ramac_jax.cli.runs.evaluator import figures_of
from ramac_jax.cli.runs.protocol import EvaluationProtocol
from ramac_jax.cli.runs.selection import SELECTION_SEED, SelectionEpisodes
from ramac_jax.errors import InputError, check_names
from ramac_jax.evaluation import Episodes, summarise
from ramac_jax.export import ExportedPolicy
from ramac_jax.policy import Policy

FIGURES = ("mean", "pooled_cvar", "risky_share")
"""Figures of a setting, of those of `ramac_jax.evaluation.summarise`."""
FIGURE_OF = {"cvar": "pooled_cvar", "mean": "mean"}
"""Measure that selects -> its figure."""
LISTS = ("temperatures", "risk_levels", "softmax_temperatures")
"""Options of which each value makes settings of its own."""


class Setting(NamedTuple):
    """What the agents earn with one setting of the acting options."""

    acting: ActingOptions
    figures: dict[str, dict[str, float | None]]
    """`FIGURES` of all agents, with bounds of the jackknife over episodes."""
    rows: list[dict[str, Any]]  # one for each seed, as frontier.csv has them

    def to_json(self) -> dict[str, Any]:
        """Return the options and the figures."""
        return {**self.acting._asdict(), **self.figures}


class Frontier(NamedTuple):
    """Several settings of the acting options, in episodes that select one of them."""

    settings: list[Setting]
    selection: SelectionEpisodes

    @property
    def selected(self) -> int:
        """Number of the best setting, of several the first."""

        def value(index: int) -> float:
            figure = self.settings[index].figures[FIGURE_OF[self.selection.measure]]
            return float("-inf") if figure["value"] is None else figure["value"]

        return max(range(len(self.settings)), key=value)

    @property
    def acting(self) -> ActingOptions:
        """The selected options."""
        return self.settings[self.selected].acting

    def varied(self) -> list[str]:
        """Return the names of the options by which settings differ."""
        values = zip(*(x.acting for x in self.settings), strict=True)
        pairs = zip(ActingOptions._fields, values, strict=True)
        return [name for name, several in pairs if len({*several}) > 1]

    def names(self) -> list[str]:
        """Return the name of each setting."""
        names = [describe(x.acting) or "as trained" for x in self.settings]
        names[self.selected] += " (selected)"
        return names

    def sentence(self) -> str:
        """Return which episodes selected the setting, and which are reported."""
        asked = self.selection
        return (
            f"The setting is selected among {len(self.settings)} by the "
            f"{asked.criterion} of {asked.selection_episodes} episodes of each agent, "
            f"with seeds from {SELECTION_SEED:,} on, and reported on {asked.episodes} "
            f"other episodes of each agent, with seeds from {asked.first_seed:,} on."
        )

    def to_json(self) -> dict[str, Any]:
        """Return how the setting was selected."""
        return {
            "measure": self.selection.measure,
            "level": self.selection.level,
            "episodes": self.selection.selection_episodes,
            "seed": SELECTION_SEED,
            "num_settings": len(self.settings),
            "selected": self.selected,
            "sentence": self.sentence(),
        }


def acting_settings(
    options: EvaluateOptions, policy: Policy | ExportedPolicy, of_run: ActingOptions
) -> list[ActingOptions]:
    """Return every combination of the acting options.

    At temperature 0 all candidates are one action, so that all settings there are one.

    Args:
      options: of the command.
      policy: that acts.
      of_run: how it acted in the evaluations of its run, which counts where the command
        gives nothing.

    Raises `InputError` for options by which the policy cannot act, for those that
    choose among candidates where there is one, or at temperature 0 alone, and for a
    value that occurs twice.
    """
    count = options.num_candidates
    if count is None:
        count = of_run.num_candidates
    if count == 1:
        of_run = ActingOptions(of_run.temperature)
    for name in LISTS:
        values = getattr(options, name)
        flag = f"--{name.replace('_', '-')}"
        if values is not None and (not values or len({*values}) < len(values)):
            raise InputError(f"{flag} must have one value or more, each once")
        if name != "temperatures" and count == 1 and values not in (None, (0.0,)):
            raise InputError(
                f"{flag} choose among candidates: give --num-candidates 2 or more"
            )
    settings = [
        ActingOptions(temperature, count, level, softmax_temperature)
        for temperature, level, softmax_temperature in itertools.product(
            options.temperatures or (of_run.temperature,),
            options.risk_levels or (of_run.risk_level,),
            options.softmax_temperatures or (of_run.softmax_temperature,),
        )
    ]
    resolved = [policy.resolve(each) for each in settings]
    if count == 1:
        return settings
    if not any(each.temperature for each in settings):
        raise InputError(
            f"the best of {count} candidates is asked for, and at temperature 0 all of "
            "them are one action: give --temperatures above 0"
        )
    still: ActingOptions | None = ActingOptions(0.0)
    if isinstance(policy, ExportedPolicy):  # the number of its candidates is fixed
        still = next((x for x in resolved if not x.temperature), None)
    return [*dict.fromkeys(x if x.temperature else still or x for x in resolved)]


def selection_of(
    options: EvaluateOptions, protocol: EvaluationProtocol
) -> SelectionEpisodes:
    """Return the episodes that select a setting; `InputError` where there are none."""
    check_names("measure", [options.select], MEASURES)
    if options.selection_episodes < 1:
        raise InputError(
            f"--selection-episodes is {options.selection_episodes}: give 1 or more"
        )
    return SelectionEpisodes(
        measure=options.select,
        level=protocol.level,
        selection_episodes=options.selection_episodes,
        episodes=protocol.episodes,
        first_seed=protocol.seed,
    )


def play_settings(
    settings: Sequence[ActingOptions],
    selection: SelectionEpisodes,
    protocol: EvaluationProtocol,
    seeds: Sequence[int],
    play: Callable[[EvaluationProtocol], Episodes],
) -> Frontier:
    """Play the episodes to select on with each setting.

    Args:
      settings: of the acting options.
      selection: the episodes.
      protocol: of the reported episodes.
      seeds: of the agents [P].
      play: the agents under a protocol.
    """
    found = []
    for acting in settings:
        changes = selection.protocol_changes() | {"acting": acting}
        asked = dataclasses.replace(protocol, **changes)
        found.append(score_setting(asked, play(asked), seeds))
    return Frontier(found, selection)


def score_setting(
    protocol: EvaluationProtocol, episodes: Episodes, seeds: Sequence[int]
) -> Setting:
    """Return what the agents earned in the episodes of a setting.

    Args:
      protocol: of the episodes, with its acting options.
      episodes: of every agent, [P, M].
      seeds: of the agents [P].
    """
    summary = summarise(episodes, seeds, level=protocol.level)
    columns = figures_of(episodes, protocol.level)
    options = protocol.acting._asdict()
    rows = [
        options | {"seed": seed} | {name: x[agent] for name, x in columns.items()}
        for agent, seed in enumerate(seeds)
    ]
    figures = {name: summary[name] for name in FIGURES}
    return Setting(acting=protocol.acting, figures=figures, rows=rows)
