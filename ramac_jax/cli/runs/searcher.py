"""A search, rung by rung: train, select by episodes, keep the best."""

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ramac_jax.acting import ActingParams
from ramac_jax.cli.reporting.sweep_tables import COLUMNS, to_json
from ramac_jax.cli.runs.evaluator import Evaluator, figures_of
from ramac_jax.cli.runs.folder import POPULATION
from ramac_jax.cli.runs.search import Search, Variant
from ramac_jax.cli.runs.training import TrainingPlan, train_members
from ramac_jax.data.loading import OfflineDataset
from ramac_jax.devices.hosts import agree, is_first_host
from ramac_jax.evaluation.ranking import Ranked, rank
from ramac_jax.files import write_json
from ramac_jax.population import (
    Callbacks,
    InitialStates,
    Members,
    Progress,
    Trained,
    select_settings,
    successive_halving,
)

Figures = dict[str, np.ndarray]  # name -> [settings, seeds]


class Stage(NamedTuple):
    """What a rung trained of the settings with the same static options."""

    name: str  # "" where there is no other
    variant: int
    numbers: np.ndarray  # [S], the settings
    trained: Trained  # of S x N members, setting by setting

    def is_frozen(self) -> np.ndarray:
        """Return which agents diverged [S, N]."""
        return self.trained.is_frozen().reshape(len(self.numbers), -1)

    def initial_states(self, members: Members, num_steps: int) -> InitialStates:
        """Return the states of members that this stage trained for these updates."""
        return InitialStates(states=self.trained.states_of(members), step=num_steps)

    def divergences(self) -> Iterator[dict[str, Any]]:
        """Yield a record of each agent that diverged."""
        members = self.trained.members
        for row, step in self.trained.frozen.items():
            setting, seed = int(members.setting[row]), int(members.seed[row])
            yield {"setting": setting, "seed": seed, "step": step}


class Found(NamedTuple):
    """The result of a search."""

    stages: list[Stage]  # of the last rung
    ranked: list[Ranked]  # best first; none without episodes
    eliminated: list[dict[str, Any]]  # settings that an earlier rung left out
    agents: list[dict[str, Any]]  # a row for each agent that selects or is reported
    diverged: list[dict[str, Any]]  # setting, seed and step of each agent that did


@dataclasses.dataclass(frozen=True)
class Searcher:
    """Trains and selects the settings of a search."""

    search: Search
    plan: TrainingPlan
    """What all settings have in common."""
    dataset: OfflineDataset
    evaluators: list[Evaluator] | None
    """One for each variant; None: no episode is played."""
    eval_episodes: int
    """Episodes of each agent in an evaluation during training."""
    report: Callable[[str, Progress], None]
    out: Path
    """Folder of the run."""

    def run(self) -> Found:
        """Train and select rung by rung; each rung resumes from its checkpoints."""
        agents: list[dict[str, Any]] = []
        diverged: list[dict[str, Any]] = []

        def train(
            index: int, alive: np.ndarray, before: list[Stage] | None
        ) -> list[Stage]:
            stages = self.train(index, alive, before or [])
            found = [x for stage in stages for x in stage.divergences()]
            diverged.extend(x for x in found if x not in diverged)
            return stages

        def order(index: int, alive: np.ndarray, stages: list[Stage]) -> list[Ranked]:
            last = index + 1 == len(self.search.rungs)
            return self.order(alive, stages, agents, last=last)

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
        return Found(
            stages=halved.trained,
            ranked=halved.ranked,
            eliminated=eliminated,
            agents=agents,
            diverged=diverged,
        )

    def order(
        self,
        alive: np.ndarray,
        stages: list[Stage],
        agents: list[dict[str, Any]],
        *,
        last: bool,
    ) -> list[Ranked]:
        """Rank the settings of a rung by the episodes of the selecting agents."""
        if self.evaluators is None:
            return []
        selecting, reported = self.search.selection.split()
        selected = self.play(stages, selecting, "selection", agents)
        scores = self.play(stages, reported, "score", agents) if last else {}
        return rank(
            {number: self.search.labels[number] for number in alive.tolist()},
            selected[self.search.selection.measure],
            {name: scores[name] for name in COLUMNS if last},
            np.concatenate([stage.is_frozen() for stage in stages]),
        )

    def train(self, index: int, alive: np.ndarray, before: list[Stage]) -> list[Stage]:
        """Train the settings that are left to the end of a rung."""
        stages = []
        for variant in np.unique(self.search.variant[alive]).tolist():
            numbers = alive[self.search.variant[alive] == variant]
            name = self.stage_name(index, variant)
            members = self.members(numbers)
            earlier = next((x for x in before if x.variant == variant), None)
            initial = None
            if earlier is not None:
                done = self.search.rungs[index - 1].num_steps
                initial = earlier.initial_states(members, done)
            trained = train_members(
                self.plan_of(self.search.variants[variant], index),
                self.dataset,
                members,
                self.folder(name),
                self.callbacks(variant, members, name),
                initial,
            )
            stages.append(Stage(name, variant, numbers, trained))
        return stages

    def plan_of(self, variant: Variant, index: int) -> TrainingPlan:
        """Return how the settings of a variant train in a rung."""
        schedule = self.plan.schedule._replace(
            num_steps=self.search.rungs[index].num_steps,
            batch_size=variant.batch_size,
        )
        return dataclasses.replace(
            self.plan,
            agent=variant.agent,
            schedule=schedule,
            settings={**self.plan.settings, **variant.changes},
        )

    def callbacks(self, variant: int, members: Members, name: str) -> Callbacks:
        """Return the eval callback and the report of a stage."""
        callbacks = Callbacks()
        if self.evaluators is not None:
            changes = self.search.selection.protocol_changes()
            callbacks = self.evaluators[variant].callback(
                members, **changes | {"episodes": self.eval_episodes}
            )
        return callbacks._replace(report=functools.partial(self.report, name))

    def members(self, numbers: np.ndarray) -> Members:
        """Return every seed of some settings."""
        seeds = self.search.selection.seeds
        return select_settings(self.search.hyperparams, numbers, seeds)

    def stage_name(self, index: int, variant: int) -> str:
        """Return rung and variant, where there are several."""
        parts = []
        if len(self.search.rungs) > 1:
            parts.append(f"rung-{index}")
        if len(self.search.variants) > 1:
            parts.append(f"variant-{variant}")
        return "-".join(parts)

    def folder(self, name: str) -> Path:
        """Return the folder of a stage's checkpoints."""
        return self.out / POPULATION / (name or "only")

    def play(
        self,
        stages: list[Stage],
        places: list[int],
        use: str,
        agents: list[dict[str, Any]],
    ) -> Figures:
        """Play the agents at these places among the seeds, setting by setting.

        Adds a row for each of them to `agents`.
        """
        found = []
        for stage in stages:
            figures = remembered(
                self.folder(stage.name) / f"{use}.json",
                functools.partial(self.play_stage, stage, places, use),
            )
            found.append(figures)
            agents.extend(self.agent_rows(stage, places, use, figures))
        return {
            name: np.concatenate([figures[name] for figures in found])
            for name in found[0]
        }

    def agent_rows(
        self, stage: Stage, places: list[int], use: str, figures: Figures
    ) -> Iterator[dict[str, Any]]:
        """Yield a row for each agent that played."""
        num_steps = int(stage.trained.history.metrics["step"][-1])
        for row, number in enumerate(stage.numbers.tolist()):
            for column, place in enumerate(places):
                yield {
                    "use": use,
                    "setting": number,
                    "seed": self.search.selection.seeds[place],
                    "num_steps": num_steps,
                    **{name: x[row, column] for name, x in figures.items()},
                    "failed": int(figures["failed"][row, column]),
                }

    def play_stage(self, stage: Stage, places: list[int], use: str) -> Figures:
        """Return the figures [settings, places] of one stage."""
        assert self.evaluators is not None
        selection = self.search.selection
        shape = (len(stage.numbers), len(selection.seeds))
        rows = np.arange(shape[0] * shape[1]).reshape(shape)[:, places].ravel()
        states = stage.trained.states
        everyone = ActingParams(states.actor_params, states.critic_params)
        params = jax.tree.map(lambda x: x[rows], everyone)
        changed = selection.protocol_changes() if use == "selection" else {}
        evaluator = self.evaluators[stage.variant]
        episodes = evaluator.play(params, progress=True, **changed)
        figures = figures_of(episodes, selection.level)
        return {name: x.reshape(-1, len(places)) for name, x in figures.items()}


def remembered(path: Path, make: Callable[[], Figures]) -> Figures:
    """Return figures from a file; make and write them where a host lacks the file."""
    (known,) = agree([path.exists()])
    figures = json.loads(path.read_text()) if known else make()
    if not known and is_first_host():
        write_json(path, {name: x.tolist() for name, x in figures.items()})
    return {name: np.array(rows, np.float64) for name, rows in figures.items()}
