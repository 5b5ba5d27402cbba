"""Score a trained population in its environment: `ramac evaluate RUN`.

Writes episodes.csv (one row per seed and episode), monitored.npz (the watched quantity
[population, episodes, horizon], NaN past the end), returns.png and evaluation.json (the
summary, and all that is needed to do it again); an earlier evaluation in that folder is
replaced. Exit status 2: bad input, and nothing is touched.
"""

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tyro
from gymnasium.envs.registration import EnvSpec
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from ramac_jax.cli import console, folders
from ramac_jax.cli.options.evaluation import FIRST_SEED, Settings, make_settings
from ramac_jax.cli.runs.scoring import FILES, play, write_evaluation
from ramac_jax.policy import load_policy
from ramac_jax.validation import first_line


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    run: tyro.conf.Positional[Path]
    """Folder that ramac train wrote: its checkpoint/ and run.json are read."""
    episodes: int = 100
    """Episodes of each seed; each plays its own, the same in every run."""
    horizon: str | None = None
    """paper (the task's), full (1000) or steps; None: paper, without a task full."""
    level: float = 0.1
    """Level of the CVaR."""
    seed: int = FIRST_SEED
    """Seed of the first episode."""
    workers: int = 0
    """Processes that step the simulators; 0: this one does."""
    out: Path | None = None
    """Folder to write to; None: the run's."""
    task: str | None = None
    """Task to act in; None: the run's own."""
    env: str | None = None
    """Gymnasium id to act in, instead of a task's."""


def print_summary(summary: Mapping[str, Any], settings: Settings, folder: Path) -> None:
    """Print the figures with their intervals, the notes, and where the files are."""
    table = Table(
        title=f"{settings.env.id}, {settings.horizon} steps: {summary['num_seeds']} "
        f"seeds x {settings.episodes} episodes"
    )
    for name in ("figure", "value", "95 % of resampled episodes"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for name, figure in summary.items():
        if isinstance(figure, dict) and figure["value"] is not None:
            value, low, high = (f"{x:.4g}" for x in figure.values())
            table.add_row(title(name, settings.level), value, f"[{low}, {high}]")
    output = Console()
    output.print(table, markup=False)
    for note in summary["notes"]:
        output.print(f"note: {note}", soft_wrap=True, markup=False)
    output.print(f"{folder}: {', '.join(FILES)}", soft_wrap=True, markup=False)


def title(name: str, level: float) -> str:
    """A figure's name for people."""
    measures = {
        "pooled_cvar": f"CVaR_{level:g} pooled",
        "per_seed_cvar": f"CVaR_{level:g} per seed",
    }
    return measures.get(name, "IQM" if name == "iqm" else name.replace("_", " "))


def read_run(folder: Path) -> dict[str, Any]:
    """What run.json says, {} if there is none; `InputError` where it is damaged."""
    path = folder / "run.json"
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise rj.InputError(f"cannot read {path}: {error}") from None
    if not isinstance(record, dict):
        raise rj.InputError(f"{path} is no record of a run: it holds no object")
    if not isinstance(record.get("seeds", []), list):
        raise rj.InputError(f"{path} is damaged: its seeds are no list")
    return record


def choose_settings(arguments: Arguments, record: dict[str, Any]) -> Settings:
    """The settings asked for, the environment by default that of the run."""
    task, env = arguments.task, arguments.env
    others = {
        name: getattr(arguments, name)
        for name in ("episodes", "level", "seed", "workers")
    }
    if task is not None or env is not None:
        return make_settings(task, env, arguments.horizon, **others)
    task, written = record.get("task"), record.get("env")
    if task is None and written is None:
        raise rj.InputError(
            f"{arguments.run / 'run.json'} names no task and no environment: "
            "give --task NAME or --env ID"
        )
    try:
        spec = EnvSpec.from_json(written) if written is not None else None
    except Exception as error:  # damage may take any form
        raise rj.InputError(
            f"{arguments.run / 'run.json'} is damaged ({first_line(error)}): give "
            "--task NAME or --env ID"
        ) from None
    return make_settings(task, spec, arguments.horizon, **others)


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line; exits where it is malformed."""
    return tyro.cli(Arguments, prog="ramac evaluate", args=list(argv))


def execute(arguments: Arguments, argv: Sequence[str]) -> None:
    """Run the command."""
    record = read_run(arguments.run)
    policy = load_policy(arguments.run / "checkpoint")
    settings = choose_settings(arguments, record)
    seeds = record.get("seeds", list(range(policy.population)))
    if record.get("selection"):
        console.warn(
            f"these agents are of a sweep, and some of them chose the setting, which "
            f"flatters it. {record['selection']}"
        )
    folder = arguments.out or arguments.run
    folders.check_writable(folder)
    episodes = play(policy, seeds, settings, progress=True)
    command = shlex.join(["ramac", "evaluate", *argv])
    summary = write_evaluation(
        folder, episodes, seeds, settings, command=command, run=record
    )
    print_summary(summary, settings, folder)


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
