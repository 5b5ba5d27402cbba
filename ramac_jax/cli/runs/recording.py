"""What a population tells while it trains: two tables, the sinks and a live bar."""

import contextlib
import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ramac_jax.cli import console
from ramac_jax.cli.options.train import Arguments
from ramac_jax.cli.progress import LiveProgress
from ramac_jax.cli.runs.sinks import Sink, open_sinks
from ramac_jax.devices import is_first_host
from ramac_jax.population import Members, Progress

METRICS, EVALUATIONS = "metrics.csv", "evaluations.csv"
LOGS = "logs"  # folder with what the sinks make, where there are several legs
FIGURES = ("mean", "cvar", "risky_share", "failed")  # of an agent's episodes
Columns = Mapping[str, np.ndarray]  # name -> [P]: what tells the members apart
Leg = tuple[str, int]  # a stretch of training: its name, and the chunk of members


class Table:
    """A CSV file with a line for each row of a history and each of its members.

    Each process writes it anew from its first row, which the checkpoints hold: so a run
    that was broken off ends with the same lines as any other.
    """

    def __init__(self, path: Path):
        self._path = path
        self._known: dict[Leg, int] = {}  # rows of each leg that are there

    def update(self, leg: Leg, columns: Columns, rows: Mapping[str, Any]) -> None:
        """Add the rows (name -> [rows, P], beside "step" [rows]) that are new."""
        if not self._known:
            self._path.unlink(missing_ok=True)
        known, length = self._known.get(leg, 0), len(rows.get("step", ()))
        self._known[leg] = length
        if known == length:
            return
        names = sorted(
            rows, key=lambda name: FIGURES.index(name) if name in FIGURES else 0
        )
        names = [name for name in names if name not in ("step", "member_step")]
        with open(self._path, "a", newline="") as file:
            writer = csv.writer(file)
            if not file.tell():
                writer.writerow(["step", *columns, *names])
            for row in range(known, length):
                told = zip(
                    *columns.values(), *(rows[x][row] for x in names), strict=True
                )
                writer.writerows([rows["step"][row], *line] for line in told)


class Feed:
    """Sends to sinks what a leg tells from here on, and nothing that it told before."""

    def __init__(self, progress: Progress, open_: Callable[[int | None], Any]):
        self._known = lengths(progress)
        self._stack = contextlib.ExitStack()
        self._sinks: tuple[Sink, ...] = ()
        if progress.step < progress.num_steps:
            self._sinks = self._stack.enter_context(open_(progress.step or None))
        self.close = self._stack.close

    def update(self, labels: list[str], progress: Progress) -> None:
        """Send the rows that are new, in the order of their steps.

        wandb takes no step after a later one: rows that are later than figures still to
        come are sent after these.
        """
        tables = (progress.history.metrics, progress.history.evaluations)
        spans = zip(self._known, lengths(progress), strict=True)
        new = [(i, row) for i, span in enumerate(spans) for row in range(*span)]
        for i, row in sorted(new, key=lambda x: (tables[x[0]]["step"][x[1]], x)):
            step = int(tables[i]["step"][row])
            if progress.evaluating is not None and step > progress.evaluating:
                break
            told = {k: x[row] for k, x in tables[i].items() if k != "step"}
            for sink in self._sinks:
                sink.write(step, labels, told)
            self._known[i] += 1


def lengths(progress: Progress) -> list[int]:
    """How many rows of each kind there are."""
    tables = (progress.history.metrics, progress.history.evaluations)
    return [len(rows.get("step", ())) for rows in tables]


@contextlib.contextmanager
def recording(
    arguments: Arguments,
    columns_of: Callable[[Members], Columns],
    config: Mapping[str, Any],
) -> Iterator[Callable[[str, Progress], None]]:
    """Give a function that tells the progress of a leg, by its name; "" if alone.

    Args:
      arguments: the options of the run.
      columns_of: what tells the members apart, in the tables and by name.
      config: of the run, for the sinks that show it.
    """
    metrics = Table(arguments.out / METRICS)
    evaluations = Table(arguments.out / EVALUATIONS)
    feeds: dict[Leg, Feed] = {}
    tasks: dict[tuple[str, Leg], Any] = {}
    warned: set[tuple[str, str]] = set()

    with LiveProgress() as bar, contextlib.ExitStack() as stack:

        def report(name: str, progress: Progress) -> None:
            if not is_first_host():
                return
            leg = (name, progress.chunk)
            columns = columns_of(progress.members)
            labels = labels_of(columns)
            if (task := (progress.phase, leg)) not in tasks:
                title = describe_leg(name, progress)
                tasks[task] = bar.add_task(title, total=progress.num_steps)
            if progress.phase == "training":
                metrics.update(leg, columns, progress.history.metrics)
                evaluations.update(leg, columns, progress.history.evaluations)
                if leg not in feeds:
                    parts = [*filter(None, [name, str(leg[1] or "")])]
                    place = arguments.out
                    if parts:  # one of several
                        place = place / LOGS / "-".join(parts)
                    feeds[leg] = Feed(
                        progress,
                        lambda step: open_sinks(
                            place,
                            arguments.tensorboard,
                            arguments.wandb,
                            f"{arguments.out.name} {name}".strip(),
                            config,
                            step,
                        ),
                    )
                    stack.callback(feeds[leg].close)
                feeds[leg].update(labels, progress)
            for member, step in progress.history.frozen().items():
                if (told := (progress.phase, labels[member])) not in warned:
                    warned.add(told)
                    console.warn(
                        f"{labels[member]} diverged after update {step} of "
                        f"{progress.phase}: it stays as it was there"
                    )
            bar.status = status_of(progress, labels)
            bar.update(tasks[task], completed=progress.step)

        yield report


def labels_of(columns: Columns) -> list[str]:
    """A name for each member, such as setting-3-seed-0."""
    return [
        "-".join(f"{name}-{value}" for name, value in zip(columns, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    ]


def describe_leg(name: str, progress: Progress) -> str:
    """What the bar calls a leg of training."""
    chunk = f"{progress.chunk + 1}/{progress.num_chunks}"
    parts = [name, progress.phase, chunk if progress.num_chunks > 1 else ""]
    return " ".join(filter(None, parts))


def status_of(progress: Progress, labels: list[str]) -> str:
    """Speed, best member so far and members frozen, in a line."""
    if np.isnan(progress.updates_per_s):
        return "compiling" if progress.step < progress.num_steps else "done before"
    frozen = progress.history.frozen()
    speed = progress.updates_per_s
    working = len(labels) - len(frozen)
    parts = [f"{speed:,.3g} updates/s, {speed * working:,.4g} agent-updates/s"]
    history = progress.history
    for rows, name, title in (
        (history.evaluations, "cvar", "CVaR"),
        (history.metrics, "risk_value", "estimated value"),
    ):
        last = np.array(rows[name][-1] if name in rows else (), float)
        last[list(frozen)[: len(last)]] = np.nan
        if np.isfinite(last).any() and last.any():  # where none values, all are 0
            best = int(np.nanargmax(last))
            parts.append(f"best {labels[best]}: {title} {last[best]:.4g}")
            break
    if frozen:
        parts.append(f"{len(frozen)} frozen")
    return ", ".join(parts)
