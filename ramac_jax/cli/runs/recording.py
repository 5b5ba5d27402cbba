"""The record of a population in training: two tables, log streams and progress."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ramac_jax.cli import console
from ramac_jax.cli.options.command import LogOptions
from ramac_jax.cli.progress import Display, open_progress
from ramac_jax.cli.runs.csv_tables import (
    EVALUATIONS,
    METRICS,
    Columns,
    CsvTable,
    Stage,
)
from ramac_jax.cli.runs.sinks import Sink, open_sinks
from ramac_jax.devices import is_first_host
from ramac_jax.population import Members, Progress

LOGS = "logs"
"""Folder of the sinks' files, where there are several stages."""


class LogStream:
    """Sends the new rows of a stage to sinks, and none that an earlier process sent."""

    def __init__(self, progress: Progress, open_: Callable[[int | None], Any]):
        self._sent = lengths(progress)
        self._stack = contextlib.ExitStack()
        self._sinks: tuple[Sink, ...] = ()
        if progress.step < progress.num_steps:
            self._sinks = self._stack.enter_context(open_(progress.step or None))
        self.close = self._stack.close

    def update(self, labels: list[str], progress: Progress) -> None:
        """Send the rows that are new, in the order of their steps.

        wandb takes no step after a later one: rows after an evaluation that has not
        finished wait for its results.
        """
        tables = (progress.history.metrics, progress.history.evaluations)
        spans = zip(self._sent, lengths(progress), strict=True)
        new = [(i, row) for i, span in enumerate(spans) for row in range(*span)]
        for i, row in sorted(new, key=lambda x: (tables[x[0]]["step"][x[1]], x)):
            step = int(tables[i]["step"][row])
            if progress.evaluating is not None and step > progress.evaluating:
                break
            values = {k: x[row] for k, x in tables[i].items() if k != "step"}
            for sink in self._sinks:
                sink.write(step, labels, values)
            self._sent[i] += 1


def lengths(progress: Progress) -> list[int]:
    """Return the number of rows of each table."""
    tables = (progress.history.metrics, progress.history.evaluations)
    return [len(rows.get("step", ())) for rows in tables]


class Recorder:
    """Writes, logs and shows the progress of each stage of a run."""

    def __init__(
        self,
        out: Path,
        logs: LogOptions,
        columns_of: Callable[[Members], Columns],
        config: Mapping[str, Any],
        display: Display,
        tables_of: Callable[[str], Path] | None = None,
    ):
        """Prepare to record; see `recording`."""
        self.out, self.logs, self.config = out, logs, config
        self.columns_of, self.display = columns_of, display
        self.tables_of = tables_of or (lambda name: out)
        self.tables: dict[Path, tuple[CsvTable, CsvTable]] = {}
        self.streams: dict[Stage, LogStream] = {}
        self.tasks: dict[tuple[str, Stage], int] = {}
        self.warned: set[tuple[str, str]] = set()
        self.evaluated: dict[Stage, int] = {}

    def report(self, name: str, progress: Progress) -> None:
        """Record the progress of a stage, by its name; "" if there is no other."""
        if not is_first_host():
            return
        stage = (name, progress.chunk)
        columns = self.columns_of(progress.members)
        labels = labels_of(columns)
        task = self.tasks.get((progress.phase, stage))
        if task is None:
            task = self.display.add(title_of(name, progress), progress.num_steps)
            self.tasks[progress.phase, stage] = task
        if progress.phase == "training":
            metrics, evaluations = self.tables_in(self.tables_of(name))
            metrics.update(stage, columns, progress.history.metrics)
            evaluations.update(stage, columns, progress.history.evaluations)
            if stage not in self.streams:
                self.streams[stage] = self.open_stream(stage, progress)
            self.streams[stage].update(labels, progress)
        self.warn_of_divergence(labels, progress)
        status, details = status_of(progress, labels), details_of(progress)
        num_evaluations = lengths(progress)[1]
        news = num_evaluations > self.evaluated.get(stage, num_evaluations)
        self.evaluated[stage] = num_evaluations
        self.display.update(task, progress.step, status, details, news=news)

    def tables_in(self, folder: Path) -> tuple[CsvTable, CsvTable]:
        """Return the tables of metrics and evaluations in a folder."""
        if folder not in self.tables:
            folder.mkdir(parents=True, exist_ok=True)
            metrics, evaluations = folder / METRICS, folder / EVALUATIONS
            self.tables[folder] = CsvTable(metrics), CsvTable(evaluations)
        return self.tables[folder]

    def open_stream(self, stage: Stage, progress: Progress) -> LogStream:
        """Open the log stream of a stage."""
        name, chunk = stage
        parts = [*filter(None, [name, str(chunk or "")])]
        folder = self.out / LOGS / "-".join(parts) if parts else self.out
        title = f"{self.out.name} {name}".strip()
        return LogStream(
            progress,
            lambda step: open_sinks(folder, self.logs, title, self.config, step),
        )

    def warn_of_divergence(self, labels: list[str], progress: Progress) -> None:
        """Warn once of each member that diverged."""
        for member, step in progress.history.frozen().items():
            if (diverged := (progress.phase, labels[member])) not in self.warned:
                self.warned.add(diverged)
                console.warn(
                    f"{labels[member]} diverged after update {step} of "
                    f"{progress.phase}: it keeps its state of that update"
                )


@contextlib.contextmanager
def recording(
    out: Path,
    logs: LogOptions,
    columns_of: Callable[[Members], Columns],
    config: Mapping[str, Any],
    tables_of: Callable[[str], Path] | None = None,
) -> Iterator[Callable[[str, Progress], None]]:
    """Yield a function that records the progress of a stage.

    Args:
      out: folder of the run.
      logs: sinks besides the tables.
      columns_of: the numbers by which members differ, in tables and names.
      config: of the run, for the sinks that show it.
      tables_of: (name of a stage) -> folder of its tables; None: `out`.
    """
    with open_progress() as display:
        recorder = Recorder(out, logs, columns_of, config, display, tables_of)
        try:
            yield recorder.report
        finally:
            for stream in recorder.streams.values():
                stream.close()


def labels_of(columns: Columns) -> list[str]:
    """Return a name for each member, such as setting-3-seed-0."""
    return [
        "-".join(f"{name}-{value}" for name, value in zip(columns, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    ]


def title_of(name: str, progress: Progress) -> str:
    """Return the title of a stage."""
    chunk = f"{progress.chunk + 1}/{progress.num_chunks}"
    parts = [name, progress.phase, chunk if progress.num_chunks > 1 else ""]
    return " ".join(filter(None, parts))


def status_of(progress: Progress, labels: list[str]) -> str:
    """Return the speed, the best member so far and the frozen members, in a line."""
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
        if np.isfinite(last).any() and last.any():  # all 0 without a critic
            best = int(np.nanargmax(last))
            parts.append(f"best {labels[best]}: {title} {last[best]:.4g}")
            break
    if frozen:
        parts.append(f"{len(frozen)} frozen")
    return ", ".join(parts)


def details_of(progress: Progress) -> str:
    """Return the last losses and the last evaluation, means over the members."""
    history = progress.history
    parts = [
        f"{name} {mean_of(rows[-1]):.4g}"
        for name, rows in history.metrics.items()
        if name.endswith("_loss") and len(rows)
    ]
    rows = history.evaluations
    if len(rows.get("step", ())) and "mean" in rows:
        parts.append(
            f"evaluation at {int(rows['step'][-1]):,}: mean "
            f"{mean_of(rows['mean'][-1]):.4g}, CVaR {mean_of(rows['cvar'][-1]):.4g}"
        )
    if frozen := history.frozen():
        parts.append(f"{len(frozen)} diverged")
    return ", ".join(parts)


def mean_of(values: np.ndarray) -> float:
    """Return the mean of the finite values; NaN if there are none."""
    values = np.asarray(values, np.float64)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")
