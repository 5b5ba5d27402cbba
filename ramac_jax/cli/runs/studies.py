"""The study of a sweep with a sampler: checked, reached, searched and written."""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from ramac_jax.cli import console
from ramac_jax.cli.options.sweep import SweepOptions
from ramac_jax.cli.runs import rounds, study_figures, study_trials
from ramac_jax.cli.runs.outcome import (
    Outcome,
    describe_best,
    describe_policy,
    describe_settings,
    write_tables,
)
from ramac_jax.cli.runs.search import Search
from ramac_jax.cli.runs.searcher import Searcher, Stage
from ramac_jax.files import write_json
from ramac_jax.policy import PolicySpec, save_policy
from ramac_jax.types import State


def check_study(options: SweepOptions, search: Search) -> None:
    """Raise `InputError` where the options describe no study."""
    rounds.check_hosts(options)
    rounds.sampler_of(options, search)
    rounds.steps_of(options)
    rounds.check_storage(options)


def reach_study(options: SweepOptions, search: Search) -> None:
    """Raise `InputError` where the shared study of the options cannot be opened."""
    with rounds.opened_study(options, search):
        pass


def finish_rounds(
    options: SweepOptions,
    searcher: Searcher,
    specs: Sequence[PolicySpec],
    begun: Mapping[str, Any],
    record: dict[str, Any],
) -> Outcome:
    """Train round by round, and write what the study knows in the end."""
    out = searcher.out

    def save(search: Search, stage: Stage, number: int, states: State) -> None:
        spec = describe_policy(options, search, specs, stage.variant, [number])
        save_policy(out / "agents" / str(number) / "checkpoint", states, spec)

    rounds.process_name(out)  # from here on the same command resumes the run
    with rounds.opened_study(options, searcher.search) as study:
        found = rounds.Rounds(options, study, searcher, save).run()
        drawn = study_figures.drawn_of(
            study, found, rounds.space_of(searcher.search), searcher.search.selection
        )
    search = searcher.search.of_settings(study_trials.settings_of(found))
    remarks = study_trials.notes_of(found, options)
    outcome = Outcome.of(search, study_trials.tried_of(found), remarks)
    own = {x.number for x in found.trials if rounds.is_own(x, out)}
    best = next((x for x in outcome.allowed if x.setting in own), None)
    if best is not None and outcome.best is not None and best != outcome.best:
        outcome.remarks.append(
            f"Another process trained setting {outcome.best.setting}, the best one: "
            f"best/ here is setting {best.setting}, the best of this process."
        )
    record |= outcome.to_json() | {
        "settings": describe_settings(search),
        "trials": [study_trials.describe_trial(x) for x in found.trials],
        "agents": {
            str(x): [{"setting": x, "seed": seed} for seed in search.selection.seeds]
            for x in sorted(own)
            if (out / "agents" / str(x)).exists()
        },
    }
    if outcome.ranked:
        write_tables(out, outcome)
        study_figures.write_figures(out, drawn)
    else:
        for line in outcome.remarks:
            console.note(line)
    if best is not None:
        source = out / "agents" / str(best.setting) / "checkpoint"
        shutil.rmtree(out / "best", ignore_errors=True)
        shutil.copytree(source, out / "best" / "checkpoint")
        described = describe_best(options, outcome, specs, best)
        write_json(out / "best" / "run.json", {**begun, **described})
    return outcome
