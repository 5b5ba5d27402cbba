"""Settings in training, rung by rung: train, play, keep some."""

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from ramac_jax.acting import ActingParams
from ramac_jax.cli.runs.evaluator import Evaluator, figures_of
from ramac_jax.cli.runs.folder import POPULATION
from ramac_jax.cli.runs.search import Search, Variant
from ramac_jax.cli.runs.training import Compiled, TrainingPlan, train_members
from ramac_jax.cli.runs.tried import Tried
from ramac_jax.data.loading import OfflineDataset
from ramac_jax.devices.hosts import agree, is_first_host
from ramac_jax.files import write_json
from ramac_jax.population import (
    Callbacks,
    InitialStates,
    Members,
    Progress,
    Trained,
    select_settings,
)

Figures = dict[str, np.ndarray]  # name -> [settings, seeds]


class Stage(NamedTuple):
    """What a rung trained of the settings with the same static options."""

    name: str  # "" where there is no other
    variant: int
    numbers: np.ndarray  # [S], the settings
    trained: Trained  # of S x N members, setting by setting

    def initial_states(self, members: Members, num_steps: int) -> InitialStates:
        """Return the states of members that this stage trained for these updates."""
        return InitialStates(states=self.trained.states_of(members), step=num_steps)

    def diverged(self, number: int) -> list[int | None]:
        """Return the last finite step of each agent that diverged; None: others."""
        rows = np.flatnonzero(self.trained.members.setting == number)
        return [self.trained.frozen.get(row) for row in rows.tolist()]


class Found(NamedTuple):
    """The result of a search, or of one of its rounds."""

    stages: list[Stage]  # of the last rung
    tried: list[Tried]  # every setting, in the order of their numbers


Keep = Callable[[int, list[Tried]], list[int]]
"""(rung, the settings that it trained) -> the numbers of those that train on."""


@dataclasses.dataclass(frozen=True)
class Searcher:
    """Trains and plays settings, from rung to rung."""

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
    compiled: Compiled
    """Agents and programs, which the rounds of a search share."""
    steps: Sequence[int]
    """Updates of each member at the end of each rung."""
    title: str = ""
    """Of the round; "": there is no other."""
    sizes: Sequence[int] = ()
    """Numbers of settings for which programs are compiled; none: as many as there are.
    """

    def run(self, keep: Keep | None = None) -> Found:
        """Train and play rung by rung; each rung resumes from its checkpoints.

        Args:
          keep: which settings train on after each rung but the last.
        """
        left, tried = self.search.numbers, {}
        stages: list[Stage] = []
        for index, num_steps in enumerate(self.steps):
            last = index + 1 == len(self.steps)
            stages = self.train(index, left, stages)
            found = self.play_all(stages, num_steps, scores=last)
            tried.update({x.setting: x for x in found})
            if not last and keep is not None:
                path = (
                    self.folder("-".join([self.title or "only", "kept"]))
                    / f"rung-{index}.json"
                )
                kept = functools.partial(keep, index, found)
                left = np.array(remembered_numbers(path, kept), int)
            if not len(left):
                stages = []
                break
        return Found(stages, [tried[number] for number in sorted(tried)])

    def train(self, index: int, left: np.ndarray, before: list[Stage]) -> list[Stage]:
        """Train the settings that are left to the end of a rung."""
        stages = []
        programs = self.search.variant[self.search.rows(left)]
        for variant in np.unique(programs).tolist():
            numbers = left[programs == variant]
            name = self.stage_name(index, variant)
            members = self.members(numbers)
            earlier = next((x for x in before if x.variant == variant), None)
            initial = None
            if earlier is not None:
                initial = earlier.initial_states(members, self.steps[index - 1])
            trained = train_members(
                self.plan_of(self.search.variants[variant], index),
                self.dataset,
                members,
                self.folder(name),
                self.callbacks(variant, members, name),
                initial,
                compiled=self.compiled,
                size=self.size_for(self.search.variants[variant], len(numbers)),
            )
            stages.append(Stage(name, variant, numbers, trained))
        return stages

    def size_for(self, variant: Variant, count: int) -> int:
        """Return the members of the program that trains so many settings.

        A program that is there is used where it trains at most twice as many: the
        others are copies.
        """
        each = len(self.search.selection.seeds)
        enough = [x for x in self.sizes if x >= count] or [count]
        for size in enough:
            known = self.compiled.has(variant.agent, size * each)
            if known and size <= 2 * count:
                return size * each
        return enough[0] * each

    def plan_of(self, variant: Variant, index: int) -> TrainingPlan:
        """Return how the settings of a variant train in a rung."""
        schedule = self.plan.schedule._replace(
            num_steps=self.steps[index], batch_size=variant.batch_size
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
        seeds, rows = self.search.selection.seeds, self.search.rows(numbers)
        members = select_settings(self.search.hyperparams, rows, seeds)
        return members._replace(setting=np.repeat(numbers, len(seeds)).astype(np.int32))

    def stage_name(self, index: int, variant: int) -> str:
        """Return round, rung and variant, where there are several."""
        parts = [self.title] if self.title else []
        if len(self.steps) > 1:
            parts.append(f"rung-{index}")
        if len(self.search.variants) > 1:
            parts.append(f"variant-{variant}")
        return "-".join(parts)

    def folder(self, name: str) -> Path:
        """Return the folder of a stage's checkpoints."""
        return self.out / POPULATION / (name or "only")

    def play_all(
        self, stages: list[Stage], num_steps: int, *, scores: bool
    ) -> list[Tried]:
        """Play the agents of all stages: those that select, and those reported."""
        selecting, reported = self.search.selection.split()
        found = []
        for stage in stages:
            selected = self.play(stage, selecting, "selection")
            scored = self.play(stage, reported, "score") if scores else {}
            for row, number in enumerate(stage.numbers.tolist()):
                found.append(
                    Tried(
                        setting=number,
                        label=self.search.labels[number],
                        num_steps=num_steps,
                        selection={k: x[row].tolist() for k, x in selected.items()},
                        score={k: x[row].tolist() for k, x in scored.items()},
                        diverged=stage.diverged(number),
                    )
                )
        return found

    def play(self, stage: Stage, places: list[int], use: str) -> Figures:
        """Play the agents at these places among the seeds; nothing without episodes."""
        if self.evaluators is None:
            return {}
        return remembered(
            self.folder(stage.name) / f"{use}.json",
            functools.partial(self.play_stage, stage, places, use),
        )

    def play_stage(self, stage: Stage, places: list[int], use: str) -> Figures:
        """Return the figures [settings, places] of one stage.

        The agents of a seed play the same episodes in every setting and every round.
        """
        assert self.evaluators is not None
        selection = self.search.selection
        shape = (len(stage.numbers), len(selection.seeds))
        rows = np.arange(shape[0] * shape[1]).reshape(shape)[:, places].ravel()
        states = stage.trained.states
        everyone = ActingParams(states.actor_params, states.critic_params)
        params = jax.tree.map(lambda x: x[rows], everyone)
        changed = selection.protocol_changes() if use == "selection" else {}
        evaluator = self.evaluators[stage.variant]
        numbers = places * len(stage.numbers)
        episodes = evaluator.play(params, numbers, progress=True, **changed)
        figures = figures_of(episodes, selection.level)
        return {name: x.reshape(-1, len(places)) for name, x in figures.items()}


def remembered(path: Path, make: Callable[[], Figures]) -> Figures:
    """Return figures from a file; make and write them where a host lacks the file."""
    (known,) = agree([path.exists()])
    figures = json.loads(path.read_text()) if known else make()
    if not known and is_first_host():
        write_json(path, {name: x.tolist() for name, x in figures.items()})
    return {name: np.array(rows, np.float64) for name, rows in figures.items()}


def remembered_numbers(path: Path, make: Callable[[], list[int]]) -> list[int]:
    """Return numbers from a file; make and write them where there is none."""
    if path.exists():
        found: list[int] = json.loads(path.read_text())["numbers"]
        return found
    numbers = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"numbers": numbers})
    return numbers
