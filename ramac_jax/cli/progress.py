"""Progress on stderr: live bars in a terminal, otherwise a line now and then."""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ramac_jax.cli import console

SECONDS_BETWEEN_LINES = 30.0
FINISHED_BARS = 6
"""Finished tasks that a terminal shows."""


class Display(Protocol):
    """Shows the progress of tasks, each with a number of updates or steps to do."""

    def add(self, title: str, total: int, unit: str = "updates") -> int:
        """Begin a task and return its number."""

    def update(
        self,
        task: int,
        completed: int,
        status: str = "",
        details: str = "",
        *,
        news: bool = False,
    ) -> None:
        """Show how much is done, and a line of status.

        Args:
          task: number of the task.
          completed: what is done of its total.
          status: for a terminal, which shows rate and time left by itself.
          details: for a log.
          news: whether the details are worth a line of a log at once.
        """


class LiveProgress(Progress):
    """Bars with the work done and the time left, and a line of status below."""

    status = ""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console.CONSOLE,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.status:
            yield Text(self.status)


@dataclasses.dataclass
class LiveDisplay:
    """The display of a terminal."""

    bars: LiveProgress

    def add(self, title: str, total: int, unit: str = "updates") -> int:
        """Begin a task and return its number; of the finished ones the last stay."""
        finished = [task for task in self.bars.tasks if task.finished]
        for task in finished[:-FINISHED_BARS]:
            self.bars.update(task.id, visible=False)
        return int(self.bars.add_task(title, total=total))

    def update(
        self,
        task: int,
        completed: int,
        status: str = "",
        details: str = "",
        *,
        news: bool = False,
    ) -> None:
        """Move the bar of a task."""
        self.bars.status = status
        self.bars.update(TaskID(task), completed=completed)


@dataclasses.dataclass
class Task:
    """The progress of one task, with the clock and the work of its last lines."""

    title: str
    total: int
    unit: str
    start: tuple[float, int] | None = None
    """Clock and work at the first update; None before."""
    last: tuple[float, int] = (0.0, 0)
    """Clock and work at the last line."""
    finished: bool = False


class PlainDisplay:
    """Lines at the start and the end of a task, at news and every half minute.

    The lines are flushed, so that a file or a scheduler's log shows them at once.
    """

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def add(self, title: str, total: int, unit: str = "updates") -> int:
        """Begin a task, print it and return its number."""
        self.tasks.append(Task(title, total, unit))
        print_line(f"{title}: {total:,} {unit}")
        return len(self.tasks) - 1

    def update(
        self,
        task: int,
        completed: int,
        status: str = "",
        details: str = "",
        *,
        news: bool = False,
    ) -> None:
        """Print a line if one is due."""
        entry, now = self.tasks[task], time.monotonic()
        if entry.finished:
            return
        if entry.start is None:
            entry.start = entry.last = now, completed
        entry.finished = completed >= entry.total
        if news or entry.finished or now - entry.last[0] >= SECONDS_BETWEEN_LINES:
            line = line_of(entry, now, completed)
            print_line(", ".join([line, details] if details else [line]))
            entry.last = now, completed


def print_line(text: str) -> None:
    """Print a line on stderr at once."""
    if not console.CONSOLE.quiet:
        print(text, file=sys.stderr, flush=True)


def line_of(task: Task, now: float, completed: int) -> str:
    """Return the line of a task: work done, rate, and time left or taken.

    The rate is that since the last line, at the end that of the whole task.
    """
    assert task.start is not None
    parts = [f"{task.title}: {completed:,} of {task.total:,} {task.unit}"]
    clock_before, done_before = task.start if task.finished else task.last
    done, seconds = completed - done_before, now - clock_before
    if done > 0 and seconds > 0.0:
        rate = done / seconds
        parts.append(f"{rate:,.3g} {task.unit}/s")
        if not task.finished:
            parts.append(f"{clock((task.total - completed) / rate)} left")
    if task.finished:
        parts.append(f"{clock(now - task.start[0])} taken")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Return a time as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


@contextlib.contextmanager
def open_progress(*, disable: bool = False) -> Iterator[Display]:
    """Open the display that suits stderr."""
    if disable:
        yield NoDisplay()
    elif console.CONSOLE.is_terminal:
        with LiveProgress() as bars:
            yield LiveDisplay(bars)
    else:
        yield PlainDisplay()


class NoDisplay:
    """Shows nothing."""

    def add(self, title: str, total: int, unit: str = "updates") -> int:
        """Begin a task."""
        return 0

    def update(
        self,
        task: int,
        completed: int,
        status: str = "",
        details: str = "",
        *,
        news: bool = False,
    ) -> None:
        """Show nothing."""
