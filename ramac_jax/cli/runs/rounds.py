"""The rounds of `ramac sweep --sampler`: a study of Optuna asks, populations answer."""

import contextlib
import dataclasses
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import jax
import numpy as np
import optuna

from ramac_jax.cli import console
from ramac_jax.cli.options.sweep import SweepOptions
from ramac_jax.cli.options.train import lasting_options
from ramac_jax.cli.runs.folder import POPULATION
from ramac_jax.cli.runs.live_rounds import LiveRounds
from ramac_jax.cli.runs.round_tables import join_tables
from ramac_jax.cli.runs.search import Search
from ramac_jax.cli.runs.search_space import WHOLE
from ramac_jax.cli.runs.searcher import Searcher, Stage
from ramac_jax.cli.runs.selection import Selection
from ramac_jax.cli.runs.study_trials import STUDY, TRIED
from ramac_jax.cli.runs.tried import Tried
from ramac_jax.errors import InputError
from ramac_jax.files import strict, write_json
from ramac_jax.search import (
    Choice,
    Range,
    Round,
    Scores,
    SearchResult,
    TrialResult,
    make_pruner,
    make_sampler,
    open_storage,
    open_study,
    rung_steps,
)
from ramac_jax.search import search as search_study
from ramac_jax.search.lineage import process_of
from ramac_jax.search.results import results_of
from ramac_jax.search.space import describe
from ramac_jax.search.storage import check_url, file_url, quiet_optuna, reachable
from ramac_jax.types import State
from ramac_jax.urls import without_password

PER_PROCESS = {"batch", "storage", "study", "trials", "log_every"}
"""Options in which the processes of a study may differ."""


def space_of(search: Search) -> dict[str, Choice | Range]:
    """Return the space of a search, the static options first."""
    space: dict[str, Choice | Range] = {}
    for name, values in {**search.space.static, **search.space.traced}.items():
        space[name] = Choice(values)
    for name, span in search.space.ranges.items():
        space[name] = Range(span.low, span.high, log=span.log, whole=name in WHOLE)
    return space


def steps_of(options: SweepOptions) -> list[int]:
    """Return the updates at the end of each rung."""
    num_steps = options.training.num_steps
    if options.search.pruner in (None, "none"):
        return [num_steps]
    return rung_steps(num_steps, options.search.reduction_factor)


@contextlib.contextmanager
def opened_study(options: SweepOptions, search: Search) -> Iterator[optuna.Study]:
    """Open the study that the options of a sweep describe, and close it afterwards.

    Raises `InputError` where it cannot be reached, or is of another search.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    asked, space = options.search, space_of(search)
    lasting = lasting_options(options).items()
    storage = open_storage(asked.storage or file_url(options.output.out / STUDY))
    study = open_study(
        storage,
        asked.study,
        sampler=sampler_of(options, search),
        pruner=make_pruner(
            asked.pruner or "none",
            factor=asked.reduction_factor,
            num_rungs=len(steps_of(options)),
        ),
        num_objectives=len(search.selection.objectives),
        record={
            "space": describe(space),
            "options": {k: x for k, x in lasting if k not in PER_PROCESS},
        },
    )
    try:
        where = without_password(storage.url)
        with reachable(where), quiet_optuna():
            if study.metric_names != search.selection.titles:
                study.set_metric_names(search.selection.titles)
        advice = "what is trained is kept; the same command resumes the search"
        with reachable(where, advice):
            yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def sampler_of(options: SweepOptions, search: Search) -> optuna.samplers.BaseSampler:
    """Return the sampler; `InputError` where it cannot search the space."""
    asked = options.search
    return make_sampler(str(asked.sampler), space_of(search), seed=asked.search_seed)


def num_trials(options: SweepOptions, search: Search) -> int:
    """Return how many trials the study has in the end; of a grid at most all points."""
    asked, points = options.search, len(search.labels)
    if asked.sampler == "grid":
        return min(asked.trials or points, points)
    assert asked.trials is not None
    return asked.trials


@dataclasses.dataclass(frozen=True)
class Rounds:
    """The rounds of one process."""

    options: SweepOptions
    study: optuna.Study
    searcher: Searcher
    """For the settings of all rounds; its search has every variant."""
    save: Callable[[Search, Stage, int, State], None]
    """(search, stage, number of a setting, its states) -> writes its agents."""

    @property
    def search(self) -> Search:
        """The search space."""
        return self.searcher.search

    @property
    def selection(self) -> Selection:
        """How settings are selected."""
        return self.search.selection

    @cached_property
    def live(self) -> LiveRounds:
        """The table on the terminal; its clock starts with the first use."""
        known = results_of(self.study, space_of(self.search))
        return LiveRounds(self.selection, num_trials(self.options, self.search), known)

    @property
    def population(self) -> Path:
        """The folder of the checkpoints."""
        return self.searcher.out / POPULATION

    def run(self) -> SearchResult:
        """Search until the study has its trials; raises `InputError` as `search`."""
        batch = self.options.search.batch
        console.note(self.live.header())
        return search_study(
            self.study,
            space_of(self.search),
            self.score,
            num_trials=num_trials(self.options, self.search),
            batch_size=batch,
            process=process_name(self.searcher.out),
            alone=self.options.search.storage is None,
            note=console.note,
            after_round=self.after_round,
        )

    def score(self, round_: Round) -> Scores:
        """Train and play the trials of a round, and save the agents that ended."""
        settings = dict(zip(round_.numbers, round_.settings, strict=True))
        search = self.search.of_settings(settings)
        batch, factor = round_.size, self.options.search.reduction_factor
        sizes = {batch, *(-(-batch // factor**k) for k in range(1, 8))}
        searcher = dataclasses.replace(
            self.searcher,
            search=search,
            steps=steps_of(self.options),
            title=title_of(round_.number),
            sizes=sorted(sizes),
        )

        def keep(rung: int, found: list[Tried]) -> list[int]:
            """Report a rung, and return the numbers of the trials that go on."""
            known = {x.setting: x.worth(self.selection)[0] for x in found}
            values = [known.get(number, np.nan) for number in round_.numbers]
            goes_on = round_.report(factor**rung, values)
            return [x for x, y in zip(round_.numbers, goes_on, strict=False) if y]

        begin = time.perf_counter()
        found = searcher.run(keep)
        self.live.trained(
            updates=sum(x.num_steps for x in found.tried) * len(self.selection.seeds),
            seconds=time.perf_counter() - begin,
        )
        for stage in found.stages:
            for number in stage.numbers.tolist():
                rows = np.flatnonzero(stage.trained.members.setting == number)
                states = jax.tree.map(lambda x: x[rows], stage.trained.states)  # noqa: B023
                self.save(search, stage, number, states)
        tried = {x.setting: x for x in found.tried}
        each = [tried[number] for number in round_.numbers]
        for one in each:
            if not one.score:  # stopped by this process, if it was before a restart
                round_.pruned.add(one.setting)
        constraints = {}
        if self.selection.max_risky is not None:
            excess = [x.excess(self.selection) for x in each]
            constraints = {"risky_share": np.array(excess)}
        return Scores(
            scores=np.array([x.worth(self.selection) for x in each]),
            constraints=constraints,
            attributes=[{TRIED: strict(x._asdict())} for x in each],
        )

    def after_round(self, round_: Round, found: SearchResult) -> None:
        """Print a line, join the tables, and remove earlier checkpoints.

        Those of the last round stay: they say that the run has begun.
        """
        join_tables(self.searcher.out)
        for folder in self.population.glob(f"{title_of(round_.number - 1)}*"):
            shutil.rmtree(folder, ignore_errors=True)
        console.note(self.live.line(round_.number, found))


def title_of(number: int) -> str:
    """Return the name of a round; names sort by number."""
    return f"round-{number:03d}"


def process_name(out: Path) -> str:
    """Return the name of this process in the study, which a resumed one keeps."""
    path = out / POPULATION / "process.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"process": uuid.uuid4().hex})
    return str(json.loads(path.read_text())["process"])


def is_own(trial: TrialResult, out: Path) -> bool:
    """Whether the process of a folder trained a trial."""
    return process_of(trial.attributes) == process_name(out)


def check_storage(options: SweepOptions) -> None:
    """Raise `InputError` where the storage or the study cannot be named so."""
    asked = options.search
    if asked.storage is not None:
        check_url(asked.storage)
    if not asked.study:
        raise InputError("--study is empty: give the study a name")


def check_hosts(options: SweepOptions) -> None:
    """Raise `InputError` where several hosts would ask one sampler."""
    if options.search.sampler is not None and jax.process_count() > 1:
        raise InputError(
            "--sampler asks from one process: set JAX_NUM_PROCESSES=1 on each host, "
            "and let them share a study by --storage"
        )
