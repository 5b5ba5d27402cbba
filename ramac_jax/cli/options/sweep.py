"""The options of `ramac sweep`, and the search that they describe."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np

import ramac_jax as rj
from ramac_jax.cli.options import train as options
from ramac_jax.cli.options.checks import check_options, check_traced
from ramac_jax.cli.options.search_space import label, parse_space, settings_of, variants
from ramac_jax.cli.options.train import Arguments, choices
from ramac_jax.population import Rung, halving_rungs
from ramac_jax.registry import ACTORS, HEADS, PRECISIONS, RISK_MEASURES
from ramac_jax.validation import check_names

MEASURES = ("cvar", "mean")  # to choose by: higher is better
SELECTION_SEED = 1_000_000_000  # of the first episode: never one of those that score
DESCRIPTION = """Train every setting of a search with every seed, as one compiled
program for each combination of static options, and rank the settings.

--grid lists values, --random gives ranges to draw from on a logarithmic scale,
--halving trains all settings briefly and the best of them on. Some of the seeds choose
between the settings, the others score them, each with episodes of their own. Every
option of ramac train is what the settings have in common. The same command goes
on with a search that was broken off."""


@dataclasses.dataclass(frozen=True)
class SweepArguments(Arguments):
    """The command line."""

    grid: tuple[str, ...] = ()
    """NAME=VALUE,VALUE of any hyperparameter, or of a static option: actor, distortion,
    actor_widths (256x256), sampler_steps, num_quantiles, num_risk_quantiles,
    num_critics, critic_width, embedding_width, num_cosines, head, precision,
    batch_size."""
    random: tuple[str, ...] = ()
    """NAME=LOW..HIGH of any hyperparameter; each point of the grid meets each draw."""
    num_draws: int = 16
    """Draws from the ranges of --random."""
    search_seed: int = 0
    """Seed of the draws."""
    halving: int | None = None
    """Successive halving: of every so many settings one goes on, for so many times the
    updates; None: all settings train to the end."""
    select: Annotated[
        str, choices(MEASURES, "What the selection goes by, of its episodes")
    ] = "cvar"
    selection_seeds: int | None = None
    """Seeds, the first ones, that choose the setting, the others score it; None: half
    of them. A single seed does both, in different episodes."""
    selection_episodes: int = 100
    """Episodes of each agent that helps to choose."""


def count(text: str) -> int:
    """A number of things, 1 or more."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError("it must be a whole number, 1 or more")
    return number


def one_of(known: Sequence[str]) -> Callable[[str], str]:
    """The reader of a name."""

    def read(text: str) -> str:
        check_names("choice", [text], known)
        return text

    return read


def widths(text: str) -> tuple[int, ...]:
    """Layers such as 256x256."""
    return tuple(count(part) for part in text.split("x"))


STATIC: dict[str, Callable[[str], Any]] = {
    "actor": one_of(tuple(ACTORS)),
    "distortion": one_of(tuple(RISK_MEASURES)),
    "actor_widths": widths,
    "sampler_steps": count,
    "num_quantiles": count,
    "num_risk_quantiles": count,
    "num_critics": count,
    "critic_width": count,
    "embedding_width": count,
    "num_cosines": count,
    "head": one_of(tuple(HEADS)),
    "precision": one_of(tuple(PRECISIONS)),
    "batch_size": count,
}
"""Options that need a program of their own for each value, and how one is read."""


class Search(NamedTuple):
    """Every setting to try: S of them, in V programs."""

    variants: list[SweepArguments]  # [V], the options of each program
    variant: np.ndarray  # [S], which of them a setting has
    hyperparams: rj.Hyperparams  # every leaf [S]
    labels: dict[int, str]  # what each setting changes
    rungs: list[Rung]  # how many settings are trained how far


def parse(argv: Sequence[str]) -> SweepArguments:
    """Read the command line over the preset it names; exits where it is malformed."""
    for option in ("--grid", "--random"):
        places = [i for i, word in enumerate(argv) if word == option]
        joined = [word for word in argv if word.startswith(f"{option}=")]
        if len(places) + len(joined) > 1:  # the first would not count
            raise rj.InputError(
                f"{option} is given twice: give it once, with all words"
            )
        for i in places:
            if "".join(argv[i + 1 : i + 2]).startswith("--") or i + 1 == len(argv):
                raise rj.InputError(f"{option} is empty: give NAME=VALUES after it")
    return options.parse(argv, SweepArguments, "ramac sweep", DESCRIPTION)


def make_search(arguments: SweepArguments) -> Search:
    """The search that the options describe; `InputError` where they make none."""
    check_options(arguments)
    check_names("measure", [arguments.select], MEASURES)
    check_selection(arguments)
    if not arguments.grid and not arguments.random:
        raise rj.InputError("nothing to search: give --grid or --random")
    space = parse_space(arguments.grid, arguments.random, STATIC)
    traced = settings_of(
        space,
        arguments.hyperparams,
        num_draws=arguments.num_draws,
        seed=arguments.search_seed,
    )
    static = variants(space)
    each, varied = len(traced.discount), [*space.traced, *space.ranges]  # type: ignore
    labels = {}
    chosen = [dataclasses.replace(arguments, **values) for values in static]
    for index, (values, variant) in enumerate(zip(static, chosen, strict=True)):
        check_options(variant)
        for row in range(each):
            one = jax.tree.map(lambda x: float(x[row]), traced)  # noqa: B023
            check_traced(one, variant.distortion)
            changes = {name: getattr(one, name) for name in varied}
            labels[index * each + row] = label({**values, **changes})
    size = each * len(static)
    check_episodes(arguments, size * arguments.num_seeds)
    rungs = [Rung(num_settings=size, num_steps=arguments.num_steps)]
    if arguments.halving is not None:
        rungs = halving_rungs(size, arguments.num_steps, arguments.halving)
        if len(rungs) == 1:
            raise rj.InputError(
                f"--halving is {arguments.halving} for {size} settings: none would be "
                "left out; give a lower one, or leave it out"
            )
    return Search(
        chosen,
        np.repeat(np.arange(len(static)), each),
        jax.tree.map(lambda x: np.tile(x, len(static)), traced),
        labels,
        rungs,
    )


def check_selection(arguments: SweepArguments) -> None:
    """Raise `InputError` where no seeds are left to choose, or to score."""
    chosen, seeds = arguments.selection_seeds, arguments.num_seeds
    if chosen is not None and chosen >= max(seeds, 2):
        raise rj.InputError(
            f"--selection-seeds is {chosen} of {seeds} seeds: leave one to score"
        )
    if arguments.halving is not None and not arguments.episodes:
        raise rj.InputError("--halving chooses by episodes: --episodes 0 plays none")


def check_episodes(arguments: SweepArguments, agents: int) -> None:
    """Raise `InputError` where an episode that scores may be one that chooses."""
    if SELECTION_SEED + agents * arguments.selection_episodes > 2**31:
        raise rj.InputError(
            f"--selection-episodes is {arguments.selection_episodes} for {agents} "
            "agents: give fewer"
        )
    if arguments.eval_seed + agents * arguments.episodes > SELECTION_SEED:
        raise rj.InputError(
            f"--eval-seed is {arguments.eval_seed}: the episodes from "
            f"{SELECTION_SEED:,} on choose between the settings; give a lower one"
        )


def split_seeds(arguments: SweepArguments) -> tuple[list[int], list[int]]:
    """Which seeds choose the setting, and which score it, by their places [N]."""
    places = list(range(arguments.num_seeds))
    if len(places) == 1:
        return places, places
    chosen = arguments.selection_seeds or len(places) // 2
    return places[:chosen], places[chosen:]


def how_chosen(arguments: SweepArguments) -> str:
    """A sentence that says which agents and episodes chose, and which scored."""
    choosing, scoring = (
        ", ".join(str(arguments.seeds[place]) for place in places)
        for places in split_seeds(arguments)
    )
    measure = "mean return"
    if arguments.select == "cvar":
        measure = f"CVaR {arguments.eval_level:g}"
    same = ""
    if choosing == scoring:
        same = " The same agents did both: train more seeds to tell luck from merit."
    return (
        f"Settings were chosen by the {measure} of {arguments.selection_episodes} "
        f"episodes of each agent of seed {choosing}, and scored by "
        f"{arguments.episodes} other episodes of each agent of seed {scoring}.{same}"
    )
