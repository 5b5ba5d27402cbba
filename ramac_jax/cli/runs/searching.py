"""A search, rung by rung: train, let the selection agents play, keep the best."""

import csv
import dataclasses
import functools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ramac_jax.cli.options.sweep import (
    SELECTION_SEED,
    Search,
    SweepArguments,
    split_seeds,
)
from ramac_jax.cli.reporting.sweep_tables import COLUMNS, to_json
from ramac_jax.cli.runs import folder as run_folder
from ramac_jax.cli.runs.agents import train_members
from ramac_jax.cli.runs.tracking import Arena, figures_of, position
from ramac_jax.data.loading import OfflineDataset
from ramac_jax.devices.hosts import agree, is_first_host
from ramac_jax.evaluation import Ranked, rank
from ramac_jax.files import write_json
from ramac_jax.population import (
    InitialStates,
    Members,
    Progress,
    Trained,
    select_settings,
    successive_halving,
)

Figures = dict[str, np.ndarray]  # name -> [settings, seeds]


class Leg(NamedTuple):
    """What a rung made of the settings with the same static options."""

    name: str  # "" where there is no other
    variant: int
    numbers: np.ndarray  # [S], the settings
    trained: Trained  # of S x N members, setting by setting

    def is_frozen(self) -> np.ndarray:
        """Which agents diverged [S, N]."""
        return self.trained.is_frozen().reshape(len(self.numbers), -1)


class Found(NamedTuple):
    """What a search came to."""

    legs: list[Leg]  # of the last rung
    ranked: list[Ranked]  # best first; none where nothing was played
    eliminated: list[dict[str, Any]]  # settings that an earlier rung was the last of
    agents: list[dict[str, Any]]  # a row for each agent that chose or scored
    diverged: list[dict[str, Any]]  # setting, seed and step of each agent that did


@dataclasses.dataclass(frozen=True)
class Searcher:
    """A search under way."""

    arguments: SweepArguments
    search: Search
    dataset: OfflineDataset
    arenas: list[Arena] | None  # one for each variant; None: no agent is played
    report: Callable[[str, Progress], None]

    def run(self) -> Found:
        """Train and select rung by rung; each rung resumes from its checkpoints."""
        agents: list[dict[str, Any]] = []
        diverged: list[dict[str, Any]] = []

        def train(index: int, alive: np.ndarray, before: list[Leg] | None) -> list[Leg]:
            legs = self.train(index, alive, before or [])
            found = [x for leg in legs for x in divergences(leg)]
            diverged.extend(x for x in found if x not in diverged)
            return legs

        def order(index: int, alive: np.ndarray, legs: list[Leg]) -> list[Ranked]:
            last = index + 1 == len(self.search.rungs)
            return self.order(alive, legs, agents, last=last)

        halved = successive_halving(self.search.rungs, train, order)
        eliminated = [
            {
                "setting": entry["setting"],
                "label": entry["label"],
                "num_steps": rung.num_steps,
                "chosen_by": entry["chosen_by"],
            }
            for rung, ranked in halved.eliminated
            for entry in to_json([ranked])
        ]
        return Found(halved.trained, halved.ranked, eliminated, agents, diverged)

    def order(
        self, alive: np.ndarray, legs: list[Leg], agents: list[dict], *, last: bool
    ) -> list[Ranked]:
        """Rank the settings of a rung by the episodes of its selection agents."""
        if self.arenas is None:
            return []
        choosing, scoring = split_seeds(self.arguments)
        selection = self.play(legs, choosing, "selection", agents)
        scores = self.play(legs, scoring, "score", agents) if last else {}
        return rank(
            {number: self.search.labels[number] for number in alive.tolist()},
            selection[self.arguments.select],
            {name: scores[name] for name in COLUMNS if last},
            np.concatenate([leg.is_frozen() for leg in legs]),
        )

    def train(self, index: int, alive: np.ndarray, before: list[Leg]) -> list[Leg]:
        """Train the settings that are left to the end of a rung."""
        rungs, legs = self.search.rungs, []
        for variant in np.unique(self.search.variant[alive]).tolist():
            numbers = alive[self.search.variant[alive] == variant]
            name = self.leg_name(index, variant)
            members = self.members(numbers)
            arguments = self.search.variants[variant]
            earlier = next((leg for leg in before if leg.variant == variant), None)
            arena = None if self.arenas is None else self.arenas[variant]
            trained = train_members(
                arguments,
                self.dataset,
                members,
                self.folder(name),
                num_steps=rungs[index].num_steps,
                initial=None
                if earlier is None
                else initial_states(earlier, members, rungs[index - 1].num_steps),
                evaluate=arena and functools.partial(self.evaluate, arena, members),
                report=functools.partial(self.report, name),
            )
            legs.append(Leg(name, variant, numbers, trained))
        return legs

    def members(self, numbers: np.ndarray) -> Members:
        """Every seed of some settings."""
        return select_settings(self.search.hyperparams, numbers, self.arguments.seeds)

    def leg_name(self, index: int, variant: int) -> str:
        """Rung and variant, where there are several."""
        parts = []
        if len(self.search.rungs) > 1:
            parts.append(f"rung-{index}")
        if len(self.search.variants) > 1:
            parts.append(f"variant-{variant}")
        return "-".join(parts)

    def folder(self, name: str) -> Path:
        """Where a leg keeps what it goes on from."""
        return self.arguments.out / run_folder.POPULATION / (name or "only")

    def evaluate(
        self,
        arena: Arena,
        members: Members,
        step: int,
        params: Any,
        some: Members,
        cancelled: threading.Event,
    ) -> Mapping[str, np.ndarray]:
        """Play a few selection episodes during training."""
        episodes = arena.play(
            params,
            position(some, members),
            episodes=self.arguments.eval_episodes,
            seed=SELECTION_SEED,
            cancelled=cancelled,
        )
        return figures_of(episodes, self.arguments.eval_level)

    def play(
        self, legs: list[Leg], places: list[int], use: str, agents: list[dict]
    ) -> Figures:
        """What the agents with these places among the seeds play, setting by setting.

        Adds a row for each of them to `agents`.
        """
        told = []
        for leg in legs:
            figures = remembered(
                self.folder(leg.name) / f"{use}.json",
                functools.partial(self.play_leg, leg, places, use),
            )
            told.append(figures)
            for row, number in enumerate(leg.numbers.tolist()):
                for column, place in enumerate(places):
                    agents.append(
                        {
                            "use": use,
                            "setting": number,
                            "seed": self.arguments.seeds[place],
                            "num_steps": int(leg.trained.history.metrics["step"][-1]),
                            **{k: x[row, column] for k, x in figures.items()},
                            "failed": int(figures["failed"][row, column]),
                        }
                    )
        return jax.tree.map(lambda *x: np.concatenate(x), *told)

    def play_leg(self, leg: Leg, places: list[int], use: str) -> Figures:
        """The figures [settings, places] of one leg."""
        assert self.arenas is not None
        shape = (len(leg.numbers), self.arguments.num_seeds)
        rows = np.arange(shape[0] * shape[1]).reshape(shape)[:, places].ravel()
        params = jax.tree.map(lambda x: x[rows], leg.trained.states.actor_params)
        changed: dict[str, Any] = {}
        if use == "selection":
            changed = {
                "episodes": self.arguments.selection_episodes,
                "seed": SELECTION_SEED,
            }
        episodes = self.arenas[leg.variant].play(params, progress=True, **changed)
        figures = figures_of(episodes, self.arguments.eval_level)
        return {k: x.reshape(-1, len(places)) for k, x in figures.items()}


def initial_states(leg: Leg, members: Members, num_steps: int) -> InitialStates:
    """The states of members that a leg has trained for this number of updates."""
    return InitialStates(states=leg.trained.states_of(members), step=num_steps)


def divergences(leg: Leg) -> Iterator[dict[str, Any]]:
    """A record of each agent that diverged."""
    members = leg.trained.members
    for row, step in leg.trained.frozen.items():
        setting, seed = int(members.setting[row]), int(members.seed[row])
        yield {"setting": setting, "seed": seed, "step": step}


def remembered(path: Path, make: Callable[[], Figures]) -> Figures:
    """Figures that a file keeps, made and kept where a host does not see it."""
    (known,) = agree([path.exists()])
    figures = json.loads(path.read_text()) if known else make()
    if not known and is_first_host():
        write_json(path, {k: x.tolist() for k, x in figures.items()})
    return {name: np.array(rows, np.float64) for name, rows in figures.items()}


def write_agents(path: Path, agents: list[dict[str, Any]]) -> None:
    """Write a row for each agent that chose or scored."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(agents[0]))
        writer.writeheader()
        writer.writerows(agents)
