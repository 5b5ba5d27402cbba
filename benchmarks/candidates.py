"""Are critics good enough to choose? `python -m benchmarks.candidates --run RUN`.

The policy of a run of `ramac train` plays episodes, and then plays the same ones with
each action the best of several that it draws, by the risk measure of its own critics. A
critic that is right about the policy's actions does not make it worse.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least
from ramac_jax.acting import ActingOptions
from ramac_jax.cli import process
from ramac_jax.cli.evaluate import choose_protocol, read_run
from ramac_jax.cli.options.evaluate import EvaluateOptions
from ramac_jax.cli.options.words import read_words
from ramac_jax.cli.runs.episodes import play
from ramac_jax.evaluation import summarise
from ramac_jax.policy import load_policy

SHOWN = {"mean": "mean", "pooled_cvar": "CVaR", "risky_share": "risky share"}
"""Figures of the table."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    run: Path | None = None
    """Folder of a run of ramac train, whose critics are distributional."""
    candidates: int = 8
    """Actions that the policy draws, of which the best is taken."""
    episodes: int = 100
    """Episodes of each seed."""
    seed: int = 30_000
    """Seed of the first episode."""
    level: float = 0.1
    """Level of the risk measure that ranks the candidates, and of the CVaR."""
    out: Path | None = None
    """JSON file to write; None: print only."""


def measure(run: Path, arguments: Arguments) -> list[dict[str, Any]]:
    """Return the figures of the episodes with one candidate, and with several.

    Raises `InputError` for a run without critics.
    """
    record = read_run(run)
    policy = load_policy(run / "checkpoint")
    if policy.critic is None:
        raise rj.InputError(
            f"{run} has no critics that its checkpoint describes: give a run "
            "of ramac train with critics"
        )
    options = EvaluateOptions(
        run=run,
        episodes=arguments.episodes,
        seed=arguments.seed,
        level=arguments.level,
    )
    protocol = choose_protocol(options, record)
    seeds = record.get("seeds", list(range(policy.population)))
    found = []
    for count in (1, arguments.candidates):
        acting = ActingOptions(num_candidates=count, risk_level=arguments.level)
        asked = dataclasses.replace(protocol, acting=acting)
        episodes = play(policy, seeds, asked, progress=True)
        figures = summarise(episodes, seeds, level=arguments.level)
        found.append({"candidates": count} | {name: figures[name] for name in SHOWN})
    return found


def print_table(found: Sequence[dict[str, Any]]) -> None:
    """Print the figures with their intervals."""
    table = Table(title="the best of several actions, by the critics")
    for title in ("candidates", *SHOWN.values()):
        table.add_column(title, justify="right")
    for row in found:
        cells = [
            "{:.4g} [{:.4g}, {:.4g}]".format(*row[name].values()) for name in SHOWN
        ]
        table.add_row(str(row["candidates"]), *cells)
    Console(width=88).print(table)


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.candidates", description=__doc__
    )
    check_at_least(arguments, {"candidates": 1, "episodes": 1})
    if not 0.0 < arguments.level <= 1.0:
        raise rj.InputError(
            f"--level is {arguments.level:g}: give one above 0 and at most 1"
        )
    records.check_out(arguments.out)
    if arguments.run is None:
        raise rj.InputError("no run: give --run, a folder of ramac train")
    found = measure(arguments.run, arguments)
    print_table(found)
    settings = {"episodes": arguments.episodes, "level": arguments.level}
    record = settings | {"device": jax.devices()[0].device_kind, "rows": found}
    records.write_record(arguments.out, "candidates", record)


if __name__ == "__main__":
    process.run_command(main, "benchmarks.candidates", keep_programs=False)
