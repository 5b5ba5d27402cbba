"""What a sweep found, and the files that say so."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from rich.console import Console

from ramac_jax.cli.options.sweep import SweepOptions
from ramac_jax.cli.options.train import recorded_options
from ramac_jax.cli.reporting import sweep_tables
from ramac_jax.cli.reporting.figures.effect import are_numbers, draw_effect
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.reporting.figures.sweep import draw_frontier
from ramac_jax.cli.runs.agents import with_critic
from ramac_jax.cli.runs.edges import remark_on_edge
from ramac_jax.cli.runs.results import write_rows
from ramac_jax.cli.runs.search import Search
from ramac_jax.cli.runs.search_space import show
from ramac_jax.cli.runs.searcher import Stage
from ramac_jax.cli.runs.tried import Tried, front_of, ranking
from ramac_jax.evaluation import Ranked
from ramac_jax.policy import PolicySpec, save_policy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Outcome(NamedTuple):
    """What a sweep found, of whatever process of its study."""

    search: Search
    """Of the settings that have figures."""
    tried: list[Tried]
    ranked: list[Ranked]
    """Best first; empty without episodes."""
    remarks: list[str]
    """About the study, for the report."""

    @classmethod
    def of(
        cls, search: Search, tried: list[Tried], remarks: Sequence[str] = ()
    ) -> "Outcome":
        """Rank the settings."""
        selection = search.selection
        outcome = cls(search, tried, ranking(tried, selection), [*remarks])
        if len(selection.objectives) > 1 and outcome.ranked:
            front = sorted(front_of(tried, selection))
            outcome.remarks.append(
                f"On the Pareto front: setting {', '.join(map(str, front))}."
            )
        if outcome.ranked and outcome.best is None:
            outcome.remarks.append(
                f"No setting has a share of risky steps of {selection.max_risky:g} or "
                "less, so best/ is not written."
            )
        outcome.remarks.extend(outcome.remarks_on_edges())
        return outcome

    def remarks_on_edges(self) -> Iterator[str]:
        """Yield a remark on each parameter whose best value lies at an edge.

        There is no remark where the best setting has no finite figures.
        """
        sound = {x.setting for x in self.tried if x.is_sound()}
        if self.best is None or self.best.setting not in sound:
            return
        for name in self.search.space.names:
            values = [self.search.value_of(x.setting, name) for x in self.tried]
            best = self.search.value_of(self.best.setting, name)
            if (remark := remark_on_edge(name, values, best)) is not None:
                yield remark

    @property
    def allowed(self) -> list[Ranked]:
        """The ranked settings that keep to the limit of risky steps, best first."""
        selection = self.search.selection
        kept = {x.setting for x in self.tried if x.is_allowed(selection)}
        return [x for x in self.ranked if x.setting in kept]

    @property
    def best(self) -> Ranked | None:
        """The selected setting; None where there is none."""
        return next(iter(self.allowed), None)

    @property
    def eliminated(self) -> list[dict[str, Any]]:
        """The settings that a pruner stopped, those that came farthest first."""
        selection = self.search.selection
        stopped = [
            {
                "setting": x.setting,
                "label": x.label,
                "num_steps": x.num_steps,
                "chosen_by": float(np.mean(x.selection[selection.measure])),
            }
            for x in self.tried
            if x.selection and not x.score
        ]
        return sorted(stopped, key=lambda x: (-x["num_steps"], -x["chosen_by"]))

    @property
    def diverged(self) -> list[dict[str, Any]]:
        """Setting, seed and step of each agent that diverged."""
        selection = self.search.selection
        return [x for one in self.tried for x in one.divergences(selection)]

    def to_json(self) -> dict[str, Any]:
        """Return the result for sweep.json."""
        return {
            "status": "diverged" if self.diverged else "finished",
            "ranking": sweep_tables.to_json(self.ranked),
            "eliminated": self.eliminated,
            "diverged": self.diverged,
        }


def describe_settings(search: Search) -> list[dict[str, Any]]:
    """Return the settings of a search, for sweep.json."""
    return [
        {
            "setting": number,
            "label": label,
            "variant": search.variant_of(number),
            "hyperparams": search.setting(number)._asdict(),
        }
        for number, label in search.labels.items()
    ]


def members_of(stage: Stage) -> list[dict[str, int]]:
    """Return setting and seed of each member of agents/V/checkpoint."""
    members = stage.trained.members
    pairs = zip(members.setting.tolist(), members.seed.tolist(), strict=True)
    return [{"setting": setting, "seed": seed} for setting, seed in pairs]


def describe_best(
    options: SweepOptions,
    outcome: Outcome,
    specs: Sequence[PolicySpec],
    best: Ranked,
) -> dict[str, Any]:
    """Return the options of the selected setting and what selected it."""
    search = outcome.search
    number = search.variant_of(best.setting)
    hyperparams = search.setting(best.setting)._asdict()
    return {
        "actor_options": specs[number].actor_options,
        "hyperparams": hyperparams,
        "options": recorded_options(options)
        | search.variants[number].changes
        | {"hyperparams": hyperparams},
        "status": "diverged" if best.frozen else "finished",
        "setting": best.setting,
        "label": search.labels[best.setting],
        "selection": search.selection.sentence(),
    }


def describe_policy(
    options: SweepOptions,
    search: Search,
    specs: Sequence[PolicySpec],
    variant: int,
    numbers: Iterable[int],
) -> PolicySpec:
    """Return the spec of a checkpoint with the members of some settings.

    Args:
      options: of the command.
      search: of the settings.
      specs: of the actor of each program.
      variant: number of the settings' program.
      numbers: of the settings.
    """
    settings = [search.setting(int(number)) for number in numbers]
    together = jax.tree.map(lambda *x: np.array(x), *settings)
    agent = search.variants[variant].agent
    return with_critic(specs[variant], agent, together, options.data.reward_scale)


def write_agents(
    options: SweepOptions, search: Search, specs: Sequence[PolicySpec], stage: Stage
) -> None:
    """Write the agents of all settings with the same static options."""
    place = options.output.out / "agents" / str(stage.variant) / "checkpoint"
    spec = describe_policy(options, search, specs, stage.variant, stage.numbers)
    save_policy(place, stage.trained.states, spec)


def effect_of(outcome: Outcome) -> "Figure | None":
    """Draw what the only parameter of a sweep does, or return None."""
    search = outcome.search
    ended = [x for x in outcome.tried if np.isfinite(x.score.get("mean", ())).any()]
    if len(ended) < 2 or len(search.space.names) > 1:
        return None
    (name,) = search.space.names
    values = [search.value_of(x.setting, name) for x in ended]
    if not are_numbers(values):
        values = [show(x) for x in values]
    level = search.selection.level
    return draw_effect(name, values, [x.score for x in ended], level)


def write_tables(out: Path, outcome: Outcome) -> None:
    """Write and print the ranking."""
    selection = outcome.search.selection
    level, sentence = selection.level, selection.sentence()
    rows = [row for one in outcome.tried for row in one.rows(selection)]
    write_rows(out / "agents.csv", rows)
    text = sweep_tables.markdown(
        outcome.ranked, level, sentence, outcome.eliminated, outcome.remarks
    )
    (out / "report.md").write_text(text)
    draw_frontier(outcome.ranked, level).savefig(out / "frontier.png", dpi=DPI)
    if (figure := effect_of(outcome)) is not None:
        figure.savefig(out / "effect.png", dpi=DPI)
    Console().print(sweep_tables.terminal(outcome.ranked, level))
    for line in (sentence, *outcome.remarks):
        Console().print(line, soft_wrap=True, highlight=False)
