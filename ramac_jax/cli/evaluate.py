"""Evaluate a trained population in its environment: `ramac evaluate RUN`.

Writes episodes.csv (one row per seed and episode), monitored.npz (the monitored
quantity and the rewards [population, episodes, horizon], and the first observations),
returns.png, for agents with distributional critics calibration.png, and
evaluation.json, which repeats the evaluation. With several temperatures or risk levels
these files are of the first, and frontier.csv (one row per setting and seed) and
frontier.png compare all of them. An earlier evaluation in that folder is replaced. Exit
status 2: bad input, and nothing is written.
"""

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gymnasium.envs.registration import EnvSpec
from rich.console import Console
from rich.table import Table

from ramac_jax.acting import AS_TRAINED
from ramac_jax.cli import console, folders
from ramac_jax.cli.options.evaluate import EvaluateOptions, parse
from ramac_jax.cli.runs.calibration import Calibrated, compare_critics
from ramac_jax.cli.runs.episodes import play
from ramac_jax.cli.runs.frontier import (
    Setting,
    acting_settings,
    describe,
    score_setting,
)
from ramac_jax.cli.runs.protocol import EvaluationProtocol, make_protocol
from ramac_jax.cli.runs.results import (
    CALIBRATION,
    FILES,
    FRONTIER,
    write_evaluation,
)
from ramac_jax.errors import InputError, first_line
from ramac_jax.evaluation import Environments, Episodes
from ramac_jax.export import ExportedPolicy, is_exported, load_exported
from ramac_jax.policy import Policy, load_policy


def print_summary(
    summary: Mapping[str, Any],
    protocol: EvaluationProtocol,
    folder: Path,
    calibrated: Calibrated | None = None,
    frontier: Sequence[Setting] = (),
) -> None:
    """Print the figures with their intervals, the notes, and where the files are.

    Of several acting options, `summary` and `calibrated` are those of the first.
    """
    heading = (
        f"{protocol.env.id}, {protocol.horizon} steps: {summary['num_seeds']} "
        f"seeds x {protocol.episodes} episodes"
    )
    acting = describe(protocol.acting)
    table = Table(title=f"{heading}, {acting}" if acting else heading)
    for name in ("figure", "value", "95 % of resampled episodes"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for name, figure in summary.items():
        if isinstance(figure, dict) and figure["value"] is not None:
            value, low, high = (f"{x:.4g}" for x in figure.values())
            table.add_row(title(name, protocol.level), value, f"[{low}, {high}]")
    output = Console()
    output.print(table, markup=False)
    files, notes = list(FILES), list(summary["notes"])
    if calibrated is not None:
        output.print(calibration_table(calibrated.summary, protocol.level))
        files.append(CALIBRATION)
        notes += calibrated.summary["notes"]
    if frontier:
        output.print(frontier_table(frontier, protocol.level))
        files += FRONTIER
    for note in notes:
        output.print(f"note: {note}", soft_wrap=True, markup=False)
    output.print(f"{folder}: {', '.join(files)}", soft_wrap=True, markup=False)


def frontier_table(frontier: Sequence[Setting], level: float) -> Table:
    """Return the table of what each setting of the acting options earns."""
    shown = ("mean", "pooled_cvar")
    count = frontier[0].acting.num_candidates
    table = Table(title=f"best of {count} actions, with 95 % of resampled episodes")
    for name in ("temperature", "risk level", *(title(x, level) for x in shown)):
        table.add_column(name, justify="right")
    for setting in frontier:
        numbers = (setting.acting.temperature, setting.acting.risk_level)
        options = ["-" if x is None else f"{x:g}" for x in numbers]
        table.add_row(*options, *(bracketed(setting.figures[x]) for x in shown))
    return table


def bracketed(figure: Mapping[str, float | None]) -> str:
    """Return a figure with its bounds; "-" where no episode determines it."""
    if None in figure.values():
        return "-"
    return "{:.4g} [{:.4g}, {:.4g}]".format(*figure.values())


def calibration_table(summary: Mapping[str, Any], level: float) -> Table:
    """Return the table of what the critics predict and what episodes gave."""
    table = Table(
        title=f"returns discounted by {summary['discount']:g}, from the start"
    )
    for name in ("figure", "critics predict", "episodes gave"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for key, name in (("mean", "mean"), ("cvar", f"CVaR_{level:g}")):
        value, low, high = (f"{x:.4g}" for x in summary["observed"][key].values())
        predicted = f"{summary['predicted'][key]:.4g}"
        table.add_row(name, predicted, f"{value} [{low}, {high}]")
    return table


def title(name: str, level: float) -> str:
    """Return the title of a figure."""
    measures = {
        "pooled_cvar": f"CVaR_{level:g} pooled",
        "per_seed_cvar": f"CVaR_{level:g} per seed",
    }
    return measures.get(name, "IQM" if name == "iqm" else name.replace("_", " "))


def read_run(folder: Path) -> dict[str, Any]:
    """Read run.json, {} if there is none; `InputError` where it is damaged."""
    path = folder / "run.json"
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    if not isinstance(record, dict):
        raise InputError(f"{path} is no record of a run: it holds no object")
    if not isinstance(record.get("seeds", []), list):
        raise InputError(f"{path} is damaged: its seeds are no list")
    return record


def choose_protocol(
    options: EvaluateOptions, record: dict[str, Any]
) -> EvaluationProtocol:
    """Return the protocol, by default in the environment of the run."""
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
            f"{options.run / 'run.json'} names no task and no environment: "
            "give --task NAME or --env ID"
        )
    try:
        spec = EnvSpec.from_json(written) if written is not None else None
    except Exception as error:  # damage may take any form
        raise InputError(
            f"{options.run / 'run.json'} is damaged ({first_line(error)}): give "
            "--task NAME or --env ID"
        ) from None
    return make_protocol(task, spec, options.horizon, **others)


def open_policy(folder: Path) -> tuple[Policy | ExportedPolicy, dict[str, Any]]:
    """Return the policy of a run or of an export, and the record of its run."""
    if is_exported(folder):
        exported = load_exported(folder)
        return exported, dict(exported.record["run"])
    record = read_run(folder)
    return load_policy(folder / "checkpoint"), record


def play_each(
    policy: Policy | ExportedPolicy,
    seeds: Sequence[int],
    protocols: Sequence[EvaluationProtocol],
) -> list[Episodes]:
    """Play the episodes of protocols that differ in their acting options alone."""
    protocol = protocols[0]
    with Environments(
        protocol.env, horizon=protocol.horizon, num_workers=protocol.workers
    ) as environments:
        return [
            play(policy, seeds, each, environments=environments, progress=True)
            for each in protocols
        ]


def execute(options: EvaluateOptions, argv: Sequence[str]) -> None:
    """Run the command."""
    policy, record = open_policy(options.run)
    if isinstance(policy, ExportedPolicy) and options.num_candidates == 1:
        options = dataclasses.replace(options, num_candidates=policy.num_candidates)
    protocol = choose_protocol(options, record)
    protocols = [
        dataclasses.replace(protocol, acting=acting)
        for acting in acting_settings(options, policy)
    ]
    seeds = record.get("seeds", list(range(policy.population)))
    if record.get("selection"):
        console.warn(
            "these agents are of a sweep, and some of them selected the setting, so "
            f"its figures are too high. {record['selection']}"
        )
    folder = options.out or options.run
    folders.check_writable(folder)
    played = play_each(policy, seeds, protocols)
    frontier = []
    if len(protocols) > 1:
        pairs = zip(protocols, played, strict=True)
        frontier = [score_setting(each, episodes, seeds) for each, episodes in pairs]
    first, episodes = protocols[0], played[0]
    calibrated = None
    as_trained = first.acting == AS_TRAINED  # what the critics predict
    if as_trained and isinstance(policy, Policy):
        calibrated = compare_critics(policy, episodes, first.level)
    summary = write_evaluation(
        folder,
        episodes,
        seeds,
        first,
        command=shlex.join(["ramac", "evaluate", *argv]),
        run=record,
        calibrated=calibrated,
        frontier=frontier,
    )
    print_summary(summary, first, folder, calibrated, frontier)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
