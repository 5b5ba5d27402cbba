"""Evaluate a trained population in its environment: `ramac evaluate RUN`.

Writes episodes.csv (one row per seed and episode), monitored.npz (the monitored
quantity and the rewards [population, episodes, horizon], and the first observations),
returns.png, for agents with distributional critics calibration.png, and
evaluation.json, which repeats the evaluation. With several temperatures or risk levels
all of them play episodes of their own, of which frontier.csv (one row per setting and
seed) and frontier.png are. These select one setting, and the other files are of the
selected one, on the reported episodes. An earlier evaluation in that folder is
replaced. Exit status 2: bad input, and nothing is written.
"""

import dataclasses
import functools
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gymnasium.envs.registration import EnvSpec

from ramac_jax.acting import AS_TRAINED, ActingOptions
from ramac_jax.cli import console, folders
from ramac_jax.cli.options.evaluate import EvaluateOptions, parse
from ramac_jax.cli.reporting.evaluation import print_summary
from ramac_jax.cli.runs.acting import acting_of
from ramac_jax.cli.runs.calibration import compare_critics, notes_on_critics
from ramac_jax.cli.runs.episodes import play
from ramac_jax.cli.runs.frontier import (
    Frontier,
    acting_settings,
    play_settings,
    selection_of,
)
from ramac_jax.cli.runs.protocol import EvaluationProtocol, make_protocol
from ramac_jax.cli.runs.results import write_evaluation
from ramac_jax.cli.runs.stored import check_record, read_record, seeds_of
from ramac_jax.errors import InputError, first_line
from ramac_jax.evaluation import Environments, Episodes
from ramac_jax.export import ExportedPolicy, is_exported, load_exported
from ramac_jax.export.card import numbers_of
from ramac_jax.export.reader import RECORD as EXPORT
from ramac_jax.policy import Policy, load_policy
from ramac_jax.policy.hub import HUB, local_folder


def read_run(folder: Path) -> dict[str, Any]:
    """Read run.json, {} if there is none; `InputError` where it is damaged."""
    path = folder / "run.json"
    return read_record(path) if path.exists() else {}


def choose_protocol(
    options: EvaluateOptions, record: dict[str, Any], source: Path
) -> EvaluationProtocol:
    """Return the protocol, by default in the environment of the run.

    Args:
      options: of the command.
      record: of the run.
      source: the folder that holds it.
    """
    task, env = options.task, options.env
    others = {
        name: getattr(options, name)
        for name in ("episodes", "level", "seed", "workers")
    }
    if task is not None or env is not None:
        return make_protocol(task, env, options.horizon, **others)
    task, written = record.get("task"), record.get("env")
    if task is None and written is None:
        raise InputError(
            f"{source / 'run.json'} names no task and no environment: "
            "give --task NAME or --env ID"
        )
    try:
        spec = EnvSpec.from_json(written) if written is not None else None
    except Exception as error:  # damage may take any form
        raise InputError(
            f"{source / 'run.json'} is damaged ({first_line(error)}): give "
            "--task NAME or --env ID"
        ) from None
    reference = record.get("reference")
    if reference is not None:
        others["reference"] = tuple(reference)
    return make_protocol(task, spec, options.horizon, **others)


def open_policy(
    folder: Path,
) -> tuple[Policy | ExportedPolicy, dict[str, Any], ActingOptions | None]:
    """Return the policy of a run or of an export, its run's record, and how it acts.

    It acts as in the evaluations of the run; an export, as its card says. None: nothing
    says how.
    """
    if is_exported(folder):
        exported = load_exported(folder)
        check_record(exported.record["run"], folder / EXPORT)
        temperature, level = numbers_of(exported.record)
        acting = ActingOptions(temperature, exported.num_candidates, level)
        return exported, dict(exported.record["run"]), acting
    record = read_run(folder)
    return load_policy(folder), record, acting_of(record, folder / "run.json")


def play_all(
    policy: Policy | ExportedPolicy,
    seeds: Sequence[int],
    protocol: EvaluationProtocol,
    options: EvaluateOptions,
    settings: Sequence[ActingOptions],
) -> tuple[EvaluationProtocol, Episodes, Frontier | None]:
    """Play the reported episodes, and before them those that select a setting.

    Returns the protocol with its acting options, the reported episodes and, of several
    settings, what each earned.
    """
    frontier = None
    selection = selection_of(options, protocol)
    if len(settings) > 1:
        selection.check_episodes(policy.population, "--seed")
    with Environments(
        protocol.env, horizon=protocol.horizon, num_workers=protocol.workers
    ) as environments:
        play_policy = functools.partial(
            play, policy, seeds, environments=environments, progress=True
        )
        acting = settings[0]
        if len(settings) > 1:
            frontier = play_settings(settings, selection, protocol, seeds, play_policy)
            acting = frontier.acting
        protocol = dataclasses.replace(protocol, acting=acting)
        return protocol, play_policy(protocol), frontier


def execute(options: EvaluateOptions, argv: Sequence[str]) -> None:
    """Run the command."""
    if options.run.startswith(HUB) and options.out is None:
        raise InputError(f"{options.run} is on the hub: give --out for the results")
    source = local_folder(options.run)
    policy, record, acting = open_policy(source)
    settings = acting_settings(options, policy, acting or AS_TRAINED)
    if acting is None and options.temperatures is None:
        console.warn(
            f"{source} does not say how its agents act, so they act as trained, at "
            "temperature 1: --temperatures sets another"
        )
    protocol = choose_protocol(options, record, source)
    seeds = seeds_of(record, policy.population)
    if record.get("selection"):
        console.warn(
            "these agents are of a sweep, and some of them selected the setting, so "
            f"its figures are too high. {record['selection']}"
        )
    folder = options.out or source
    folders.check_writable(folder)
    protocol, episodes, frontier = play_all(policy, seeds, protocol, options, settings)
    calibrated, notes = None, []
    if isinstance(policy, Policy):
        notes = notes_on_critics(policy, protocol)
        calibrated = compare_critics(policy, episodes, protocol)
    summary = write_evaluation(
        folder,
        episodes,
        seeds,
        protocol,
        command=shlex.join(["ramac", "evaluate", *argv]),
        run=record,
        calibrated=calibrated,
        frontier=frontier,
    )
    print_summary(summary, protocol, folder, calibrated, frontier, notes)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
