"""The folder of a run: checked, reserved for one process, and resumed."""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from ramac_jax.cli import folders
from ramac_jax.cli.options.train import TrainOptions, lasting_options
from ramac_jax.cli.runs import results, sinks
from ramac_jax.cli.runs.csv_tables import EVALUATIONS, METRICS
from ramac_jax.cli.runs.recording import LOGS
from ramac_jax.cli.runs.stored import read_record
from ramac_jax.devices import is_first_host
from ramac_jax.errors import InputError
from ramac_jax.files import disk_fault, strict, write_json
from ramac_jax.folders import check_settings, lock_folder
from ramac_jax.population import Interrupted

POPULATION = "population"
"""Folder of the checkpoints of an unfinished run."""
REPLACED = ".replaced"
"""Folder of the run that --overwrite replaces, until the new run ends."""
RECORDS = ("run.json", "sweep.json")


class Layout(NamedTuple):
    """What a command writes to --out."""

    record: str
    """File that says how to repeat the run, and its status."""
    files: tuple[str, ...]
    folders: tuple[str, ...]
    of_evaluations: tuple[str, ...]
    """Those that a run without evaluations does not write."""

    @property
    def names(self) -> tuple[str, ...]:
        """Everything, the record first."""
        return (self.record, *self.files, *self.folders)


TRAIN = Layout(
    record="run.json",
    files=(METRICS, EVALUATIONS, "learning.png", *results.FILES, results.CALIBRATION),
    folders=("checkpoint", POPULATION, LOGS, *sinks.FOLDERS),
    of_evaluations=(EVALUATIONS, *results.FILES, results.CALIBRATION),
)


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The folder of a run, and what the run must have in common with one in it."""

    out: Path
    layout: Layout
    settings: Mapping[str, Any]
    """Options that a resumed run must have in common with the stored one."""
    overwrite: bool = False
    """Replace the run in the folder, finished or not."""

    def check(self) -> bool:
        """Return whether the folder holds an unfinished run that this one resumes.

        Changes nothing. Raises `InputError` where a run can neither begin nor resume,
        with the first option that differs.
        """
        held = self.held()
        if not held or self.overwrite:
            return False
        if not self.is_unfinished(held):
            raise InputError(
                f"{self.out} already holds a run ({', '.join(held)}): give another "
                "--out, or --overwrite"
            )
        check_options(self.out / self.layout.record, self.settings)
        return True

    def held(self) -> list[str]:
        """Return which files of the layout exist; `InputError` for a stranger's."""
        out, layout = self.out, self.layout
        try:
            held = [name for name in layout.names if (out / name).exists()]
        except OSError as error:
            raise InputError(
                f"cannot use {out}: {error.strerror}; give another --out"
            ) from None
        folders.check_writable(out)
        if any((out / name).is_dir() != (name in layout.folders) for name in held):
            raise InputError(
                f"{out} holds something else by the name of a run's files "
                f"({', '.join(held)}): give another --out"
            )
        for name in RECORDS:
            if name != layout.record and (out / name).exists():
                raise InputError(
                    f"{out} holds a run of another command ({name}): give another --out"
                )
        if held and layout.record not in held:
            raise InputError(
                f"{out} holds {', '.join(held)} and no {layout.record} of their run: "
                "give another --out"
            )
        return held

    def is_unfinished(self, held: Sequence[str]) -> bool:
        """Return whether the files that exist are of a run that can be resumed."""
        status = read_record(self.out / self.layout.record).get("status")
        begun = POPULATION in held or list(held) == [self.layout.record]
        return begun and status in ("running", "interrupted")

    def is_finished(self) -> bool:
        """Return whether the folder holds a finished run of these settings.

        Raises `InputError` where its settings are others.
        """
        path = self.out / self.layout.record
        ended = ("finished", "diverged")
        if not path.exists() or read_record(path).get("status") not in ended:
            return False
        check_options(path, self.settings)
        return True

    @contextlib.contextmanager
    def reserve(self, record: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Reserve the folder for one run; yields its record, or the resumed run's.

        The record is written at once, and again at the end with its changes. A replaced
        run is set aside, and put back where the new run is refused before it begins. Of
        several hosts the first one reserves the folder.

        Raises `InputError` as `check` does, and where another run uses the folder.
        """
        if not is_first_host():
            yield record
            return
        out = folders.writable_folder(self.out)
        path = out / self.layout.record
        with lock_folder(out):
            if self.check():
                earlier = read_record(path)
                again = [*earlier.get("resumed", ()), record["started"]]
                record = {**earlier, "resumed": again, "status": "running"}
            else:
                move(self.layout, out, out / REPLACED)
            write_json(path, record)
            try:
                yield record
            except BaseException as error:
                self.record_end(error, record)
                fault = disk_fault(error)
                if fault is None or isinstance(error, InputError):
                    raise
                raise InputError(
                    f"cannot {fault.cannot} {out}: {fault.reason}; {fault.advice}, and "
                    "the same command resumes the run from its last whole checkpoint"
                ) from error
            write_json(path, record)
            for name in (POPULATION, REPLACED):
                shutil.rmtree(out / name, ignore_errors=True)

    def record_end(self, error: BaseException, record: Mapping[str, Any]) -> None:
        """Record that an error has ended the run.

        A replaced run is put back where the new run is refused before it begins.
        """
        begun = any((self.out / POPULATION).rglob("chunk-*"))
        if isinstance(error, InputError) and not begun:
            move(self.layout, self.out / REPLACED, self.out)
            shutil.rmtree(self.out / REPLACED, ignore_errors=True)
            return
        write_status(self.out / self.layout.record, record)
        if isinstance(error, KeyboardInterrupt) and not isinstance(error, Interrupted):
            error.args = (f"{error}: the same command resumes what is saved",)

    def print_written(self) -> None:
        """Print the files and folders of the run."""
        written = [name for name in self.layout.names if (self.out / name).exists()]
        text = f"{self.out}: {', '.join(written)}"
        Console().print(text, soft_wrap=True, highlight=False)


def write_status(path: Path, record: Mapping[str, Any]) -> None:
    """Record that a run is interrupted, on a full disk in the room of its record."""
    ended = {**record, "status": "interrupted"}
    try:
        write_json(path, ended)
    except OSError:
        line = json.dumps(strict(ended))  # shorter than the lines that are there
        with contextlib.suppress(OSError), open(path, "r+") as file:
            file.write(line.ljust(path.stat().st_size))


def run_folder(options: TrainOptions, layout: Layout) -> RunFolder:
    """Return the folder that the options of a command name."""
    return RunFolder(
        out=options.output.out,
        layout=layout,
        settings=lasting_options(options),
        overwrite=options.output.overwrite,
    )


def check_options(path: Path, options: Mapping[str, Any]) -> None:
    """Raise `InputError` with the first of these options that differs in a record."""
    record = read_record(path)
    asked = {**record.get("options", {}), **strict(options)}
    check_settings(path, {"options": asked})


def move(layout: Layout, source: Path, target: Path) -> None:
    """Move the files of a run, in place of those in the target."""
    target.mkdir(exist_ok=True)
    for name in layout.names:
        there = target / name
        if there.is_dir():
            shutil.rmtree(there)
        there.unlink(missing_ok=True)
        if (source / name).exists():
            (source / name).rename(there)
