"""The search that the options of `ramac sweep` describe."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

import ramac_jax as rj
from ramac_jax.cli.options.agent import AgentSpec
from ramac_jax.cli.options.checks import (
    check_agent,
    check_effects,
    check_least,
    check_run,
    check_weights,
)
from ramac_jax.cli.options.sections import values_of
from ramac_jax.cli.options.sweep import SearchOptions, SweepOptions
from ramac_jax.cli.runs.acting import check_flags
from ramac_jax.cli.runs.agents import fit_to_data
from ramac_jax.cli.runs.search_space import (
    Space,
    label,
    parse_space,
    settings_of,
    variants,
)
from ramac_jax.cli.runs.selection import Selection, check_selection
from ramac_jax.errors import InputError, check_names
from ramac_jax.registry import (
    ACTORS,
    CRITICS,
    HEADS,
    PRECISIONS,
    PRUNERS,
    RISK_MEASURES,
    SAMPLERS,
)


def count(text: str) -> int:
    """Read a number of things, 1 or more."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError("it must be a whole number, 1 or more")
    return number


def yes_or_no(text: str) -> bool:
    """Read True or False."""
    if text.lower() not in ("true", "false"):
        raise ValueError("it must be True or False")
    return text.lower() == "true"


def one_of(known: Sequence[str]) -> Callable[[str], str]:
    """Return the reader of a name."""

    def read(text: str) -> str:
        check_names("choice", [text], known)
        return text

    return read


def widths(text: str) -> tuple[int, ...]:
    """Read layers such as 256x256."""
    return tuple(count(part) for part in text.split("x"))


STATIC: dict[str, Callable[[str], Any]] = {
    "actor": one_of(tuple(ACTORS)),
    "risk_measure": one_of(tuple(RISK_MEASURES)),
    "actor_widths": widths,
    "sampler_steps": count,
    "num_quantiles": count,
    "num_risk_quantiles": count,
    "num_penalty_quantiles": count,
    "num_critics": count,
    "critic": one_of(tuple(CRITICS)),
    "num_atoms": count,
    "target_steps": count,
    "independent_targets": yes_or_no,
    "critic_width": count,
    "embedding_width": count,
    "num_cosines": count,
    "head": one_of(tuple(HEADS)),
    "precision": one_of(tuple(PRECISIONS)),
    "batch_size": count,
}
"""Options that need a program of their own for each value -> reader of one value."""


class Variant(NamedTuple):
    """The settings with the same static options, which share a program."""

    changes: dict[str, Any]
    """Static options that differ from those of the command line."""
    agent: AgentSpec
    batch_size: int


class Search(NamedTuple):
    """All settings to try: S of them, in V programs."""

    variants: list[Variant]  # [V]
    variant: np.ndarray  # [S], the program of each setting
    hyperparams: rj.Hyperparams  # every leaf [S]
    labels: dict[int, str]  # what each setting changes
    selection: Selection
    space: Space

    @property
    def discounts(self) -> set[float]:
        """The discounts of all settings."""
        return set(np.asarray(self.hyperparams.discount).tolist())

    def fitted(self, transitions: rj.Transition) -> "Search":
        """Return the search for these data; `InputError` where a setting does not fit.

        The critics of all settings have one range of values.
        """
        return self._replace(
            variants=[
                x._replace(agent=fit_to_data(x.agent, transitions, self.discounts))
                for x in self.variants
            ]
        )

    @property
    def ood_weighted(self) -> bool:
        """Whether some setting has, or may get, an `ood_weight` above 0."""
        searched = "ood_weight" in self.space.ranges
        return searched or bool(np.any(self.hyperparams.ood_weight))

    @property
    def numbers(self) -> np.ndarray:
        """The numbers of the settings [S], in the order of all rows."""
        return np.array([*self.labels])

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Return the rows of settings by their numbers."""
        row_of = {number: row for row, number in enumerate(self.labels)}
        return np.array([row_of[number] for number in numbers.tolist()], int)

    def setting(self, number: int) -> rj.Hyperparams:
        """Return the hyperparameters of a setting, in the fewest exact digits."""
        (row,) = self.rows(np.array([number]))
        found: rj.Hyperparams = jax.tree.map(
            lambda x: float(str(x[row])), self.hyperparams
        )
        return found

    def variant_of(self, number: int) -> int:
        """Return the number of a setting's program."""
        return int(self.variant[self.rows(np.array([number]))][0])

    def value_of(self, number: int, name: str) -> Any:
        """Return what a setting has for a name of the space."""
        if name in self.space.static:
            return self.variants[self.variant_of(number)].changes[name]
        return getattr(self.setting(number), name)

    def of_settings(self, settings: Mapping[int, Mapping[str, Any]]) -> "Search":
        """Return the search of other settings: number -> name -> value.

        Raises `InputError` for a setting that is refused.
        """
        if not settings:
            none = jax.tree.map(lambda x: x[:0], self.hyperparams)
            return self._replace(variant=np.zeros(0, int), hyperparams=none, labels={})
        numbers = {tuple(x.changes.values()): i for i, x in enumerate(self.variants)}
        base = jax.tree.map(lambda x: x[0], self.hyperparams)._asdict()
        variant, rows, labels = [], [], {}
        for number, setting in settings.items():
            static = tuple(setting[name] for name in self.space.static)
            variant.append(numbers[static])
            values = {k: np.float32(setting.get(k, x)) for k, x in base.items()}
            row = rj.Hyperparams(**values)  # type: ignore[arg-type]
            rj.check_hyperparams(row)
            check_weights(self.variants[variant[-1]].agent, row)
            rows.append(row)
            labels[number] = label(
                {**self.variants[variant[-1]].changes, **traced_of(setting)}
            )
        return self._replace(
            variant=np.array(variant),
            hyperparams=jax.tree.map(lambda *x: np.array(x, np.float32), *rows),
            labels=labels,
        )


def make_search(options: SweepOptions) -> Search:
    """Make the search; `InputError` where the options describe none."""
    check_run(options)
    selection = Selection.of(options)
    check_selection(selection, options)
    search = options.search
    if not search.grid and not search.range:
        raise InputError("nothing to search: give --grid or --range")
    space = parse_space(search.grid, search.range, STATIC)
    check_sampling(options, space)
    hyperparams = settings_of(space, options.hyperparams)
    found = [make_variant(options, changes) for changes in variants(space)]
    check_levels(options, hyperparams)
    each = len(np.asarray(hyperparams.discount))
    size = each * len(found) if search.sampler is None else search.batch
    selection.check_episodes(size * options.training.num_seeds)
    made = Search(
        variants=found,
        variant=np.repeat(np.arange(len(found)), each),
        hyperparams=jax.tree.map(lambda x: np.tile(x, len(found)), hyperparams),
        labels=label_settings(space, found, hyperparams),
        selection=selection,
        space=space,
    )
    check_effects([x.agent for x in found], ood_weighted=made.ood_weighted)
    return made


def make_variant(options: SweepOptions, changes: dict[str, Any]) -> Variant:
    """Apply static options; `InputError` where they make no agent."""
    of_agent = {k: v for k, v in changes.items() if k != "batch_size"}
    agent = dataclasses.replace(options.agent, **of_agent)
    check_least(values_of(agent))
    check_agent(agent)
    check_flags(options.evaluation, agent)
    batch_size = changes.get("batch_size", options.training.batch_size)
    return Variant(changes=changes, agent=agent, batch_size=batch_size)


def check_levels(options: SweepOptions, hyperparams: rj.Hyperparams) -> None:
    """Raise `InputError` where candidates have no level of risk that ranks them."""
    asked = options.evaluation
    if asked.acting_num_candidates == 1 or asked.acting_risk_level is not None:
        return
    levels = np.asarray(hyperparams.risk_level, np.float32)
    if np.any(levels != np.float32(options.hyperparams.risk_level)):
        raise InputError(
            "the settings have risk levels of their own, and none ranks the candidates "
            "of --acting-num-candidates: give --acting-risk-level"
        )


def label_settings(
    space: Space, found: Sequence[Variant], hyperparams: rj.Hyperparams
) -> dict[int, str]:
    """Name each setting by what it changes; `InputError` for one that is refused."""
    varied = [*space.traced, *space.ranges]
    each = len(np.asarray(hyperparams.discount))
    labels = {}
    for index, variant in enumerate(found):
        for row in range(each):
            one = rj.Hyperparams(*(float(np.asarray(x)[row]) for x in hyperparams))
            check_weights(variant.agent, one)
            changes = {name: getattr(one, name) for name in varied}
            labels[index * each + row] = label({**variant.changes, **changes})
    return labels


def traced_of(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters of a setting."""
    return {k: x for k, x in setting.items() if k in rj.Hyperparams._fields}


def check_sampling(options: SweepOptions, space: Space) -> None:
    """Raise `InputError` where sampler, trials and pruner do not fit the space."""
    search = options.search
    pruner = search.pruner or "none"
    check_names("pruner", [pruner], PRUNERS)
    if search.sampler is None:
        for name, given in (
            ("--range", bool(space.ranges)),
            ("--trials", search.trials is not None),
            ("--pruner", pruner != "none"),
            ("--storage", search.storage is not None),
            ("--study", search.study != SearchOptions.study),
            ("--search-seed", search.search_seed != SearchOptions.search_seed),
            ("--batch", search.batch != SearchOptions.batch),
        ):
            if given:
                raise InputError(f"{name} needs --sampler: give one, such as tpe")
        return
    check_names("sampler", [search.sampler], SAMPLERS)
    if search.trials is None and search.sampler != "grid":
        raise InputError(f"--sampler {search.sampler} needs --trials: give a number")
    for name, number in (("--trials", search.trials), ("--batch", search.batch)):
        if number is not None and number < 1:
            raise InputError(f"{name} is {number}: give 1 or more")
    if pruner != "none" and "," in options.selection.objective:
        raise InputError(
            "--pruner compares one objective: give --objective cvar or mean"
        )
    if search.sampler == "cmaes" and "," in options.selection.objective:
        raise InputError("--sampler cmaes has one objective: give another sampler")
