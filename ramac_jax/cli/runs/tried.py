"""Settings that were tried: their figures, what they are worth, and their ranking."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ramac_jax.cli.reporting.sweep_tables import COLUMNS
from ramac_jax.cli.runs.selection import Selection
from ramac_jax.evaluation.ranking import Ranked, pareto_front, rank

Columns = dict[str, list[float]]
"""Name of a figure -> its value for each agent of a setting."""


class Tried(NamedTuple):
    """A setting and the figures of its agents, as JSON holds it."""

    setting: int
    label: str
    num_steps: int
    """Updates after which the agents played."""
    selection: Columns
    """Of the K agents that select; empty without episodes."""
    score: Columns
    """Of the agents that are reported; empty for a setting that was stopped."""
    diverged: list[int | None]
    """The step of the last finite update of each agent [N]; None: all are."""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Tried":
        """Return what `_asdict` made, with nan for None."""
        found = cls(**{name: record[name] for name in cls._fields})
        return found._replace(
            selection=with_nan(found.selection), score=with_nan(found.score)
        )

    def is_sound(self) -> bool:
        """Whether no agent that selects diverged or lacks a finite figure."""
        figures = np.array([*self.selection.values()], float)
        return bool(
            figures.size
            and np.isfinite(figures).all()
            and not any(x is not None for x in self.diverged[: figures.shape[1]])
        )

    def worth(self, selection: Selection) -> list[float]:
        """Return the mean of each objective over the agents that select; nan: none."""
        if not self.is_sound():
            return [math.nan] * len(selection.objectives)
        return [float(np.mean(self.selection[x])) for x in selection.objectives]

    def excess(self, selection: Selection) -> float:
        """Return by how much the share of risky steps is above its limit."""
        assert selection.max_risky is not None
        shares = self.selection.get("risky_share", [math.nan])
        return float(np.mean(shares)) - selection.max_risky

    def is_allowed(self, selection: Selection) -> bool:
        """Whether the share of risky steps is within its limit."""
        return selection.max_risky is None or self.excess(selection) <= 0.0

    def rows(self, selection: Selection) -> Iterator[dict[str, Any]]:
        """Yield a row of agents.csv for each agent that played."""
        places = selection.split()
        for use, columns, seeds in zip(
            ("selection", "score"), (self.selection, self.score), places, strict=True
        ):
            for row, place in enumerate(seeds if columns else ()):
                yield {
                    "use": use,
                    "setting": self.setting,
                    "seed": selection.seeds[place],
                    "num_steps": self.num_steps,
                    **{name: x[row] for name, x in columns.items()},
                    "failed": int(columns["failed"][row]),
                }

    def divergences(self, selection: Selection) -> Iterator[dict[str, Any]]:
        """Yield a record of each agent that diverged."""
        for seed, step in zip(selection.seeds, self.diverged, strict=True):
            if step is not None:
                yield {"setting": self.setting, "seed": seed, "step": step}


def with_nan(columns: Mapping[str, Sequence[float | str]]) -> Columns:
    """Return columns with numbers for the text "nan"."""
    return {name: [float(x) for x in values] for name, values in columns.items()}


def ranking(tried: Sequence[Tried], selection: Selection) -> list[Ranked]:
    """Order the settings that trained to the end, best first.

    Sound ones come first, of these the allowed ones, of these the Pareto front where
    there are two objectives; then the measure decides.
    """
    ended = [x for x in tried if x.score]
    if not ended:
        return []
    ranked = rank(
        {x.setting: x.label for x in ended},
        np.array([x.selection[selection.measure] for x in ended], float),
        {name: np.array([x.score[name] for x in ended], float) for name in COLUMNS},
        np.array([[step is not None for step in x.diverged] for x in ended]),
    )
    settings = {x.setting: x for x in ended}
    front = front_of(ended, selection)

    def order(entry: Ranked) -> tuple[bool, bool, bool]:
        one = settings[entry.setting]
        return (
            not one.is_sound(),
            not one.is_allowed(selection),
            entry.setting not in front,
        )

    return sorted(ranked, key=order)


def front_of(tried: Sequence[Tried], selection: Selection) -> set[int]:
    """Return the settings that no sound and allowed one beats in both objectives.

    With one objective it is every setting.
    """
    if len(selection.objectives) == 1:
        return {x.setting for x in tried}
    feasible = [x for x in tried if x.is_sound() and x.is_allowed(selection)]
    on_front = pareto_front([x.worth(selection) for x in feasible])
    return {x.setting for x, kept in zip(feasible, on_front, strict=True) if kept}
