"""The folder of a run: the files in it, and the record that repeats the run."""

import contextlib
import datetime
import json
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax import population as populations
from ramac_jax.cli import folders, provenance
from ramac_jax.cli.options.evaluation import Settings
from ramac_jax.cli.options.train import Arguments
from ramac_jax.cli.runs import scoring, sinks
from ramac_jax.cli.runs.agents import lasting_options
from ramac_jax.cli.runs.recording import EVALUATIONS, LOGS, METRICS
from ramac_jax.data.loading import OfflineDataset
from ramac_jax.data.relabel import read_record
from ramac_jax.devices import is_first_host
from ramac_jax.files import strict, write_json
from ramac_jax.folders import check_settings, lock_folder
from ramac_jax.validation import first_line

POPULATION = "population"  # checkpoints to go on from
REPLACED = ".replaced"  # what --overwrite is to replace, until the run has ended
RECORDS = ("run.json", "sweep.json")


class Layout(NamedTuple):
    """What a command writes to --out."""

    record: str  # what repeats the run, and tells how it stands
    files: tuple[str, ...]
    folders: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Everything, the record first."""
        return (self.record, *self.files, *self.folders)


TRAIN = Layout(
    "run.json",
    (METRICS, EVALUATIONS, "learning.png", *scoring.FILES),
    ("checkpoint", POPULATION, LOGS, *sinks.FOLDERS),
)


def check_folder(arguments: Arguments, layout: Layout) -> bool:
    """Whether --out holds an unfinished run of these options, to be gone on with.

    Raises `InputError` where a run can neither be begun nor gone on with there, with
    the first option that differs; touches nothing.
    """
    out = arguments.out
    try:
        held = [name for name in layout.names if (out / name).exists()]
    except OSError as error:
        raise rj.InputError(
            f"cannot use {out}: {error.strerror}; give another --out"
        ) from None
    folders.check_writable(out)
    if any((out / name).is_dir() != (name in layout.folders) for name in held):
        raise rj.InputError(
            f"{out} holds something else by the name of a run's files "
            f"({', '.join(held)}): give another --out"
        )
    others = [name for name in RECORDS if name != layout.record]
    for name in others:
        if (out / name).exists():
            raise rj.InputError(
                f"{out} holds a run of another command ({name}): give another --out"
            )
    if held and layout.record not in held:
        raise rj.InputError(
            f"{out} holds {', '.join(held)} and no {layout.record} that they are of: "
            "give another --out"
        )
    if not held or arguments.overwrite:
        return False
    if not unfinished(out, layout, held):
        raise rj.InputError(
            f"{out} already holds a run ({', '.join(held)}): give another --out, or "
            "--overwrite"
        )
    check_options(out / layout.record, lasting_options(arguments))
    return True


def check_options(path: Path, options: Mapping[str, Any]) -> None:
    """Raise `InputError` with the first of some options that a record has otherwise."""
    asked = strict(options)
    record = read_record_of(path)
    check_settings(path, {"options": {**record.get("options", {}), **asked}})


def is_finished(arguments: Arguments, layout: Layout) -> bool:
    """Whether --out holds a run of these options that came to its end.

    Raises `InputError` where it is one of other options.
    """
    path = arguments.out / layout.record
    ended = ("finished", "diverged")
    if not path.exists() or read_record_of(path).get("status") not in ended:
        return False
    check_options(path, lasting_options(arguments))
    return True


def unfinished(out: Path, layout: Layout, held: Sequence[str]) -> bool:
    """Whether the files that a folder holds are of a run to be gone on with."""
    status = read_record_of(out / layout.record).get("status")
    begun = POPULATION in held or list(held) == [layout.record]
    return begun and status in ("running", "interrupted")


def read_record_of(path: Path) -> dict[str, Any]:
    """What the record of a run says; `InputError` where it is damaged."""
    try:
        record = dict(json.loads(path.read_text()))
        if not isinstance(record.get("options", {}), dict):
            raise TypeError("its options are no object")
        return record
    except (OSError, ValueError, TypeError) as error:
        raise rj.InputError(f"cannot read {path}: {first_line(error)}") from None


def print_written(out: Path, layout: Layout) -> None:
    """Print what is there."""
    written = [name for name in layout.names if (out / name).exists()]
    Console().print(f"{out}: {', '.join(written)}", soft_wrap=True, highlight=False)


@contextlib.contextmanager
def hold(
    arguments: Arguments, layout: Layout, record: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Hold --out for one run; gives the record of it, or of that gone on with.

    The record is written at once, and as it then stands at the end. What is replaced is
    set aside until then, and put back where the run is refused before it began.

    Raises `InputError` as `check_folder` does, and where another run is at work. Of
    several hosts the first holds it for all.
    """
    if not is_first_host():
        yield record
        return
    out = folders.writable_folder(arguments.out)
    with lock_folder(out):
        if check_folder(arguments, layout):
            earlier = read_record_of(out / layout.record)
            again = [*earlier.get("resumed", ()), record["started"]]
            record = {**earlier, "resumed": again, "status": "running"}
        else:
            move(layout, out, out / REPLACED)
        write_json(out / layout.record, record)
        try:
            yield record
        except KeyboardInterrupt as error:
            broken = record | {"status": "interrupted"}
            write_json(out / layout.record, broken)
            if not isinstance(error, populations.Interrupted):
                error.args = (f"{error}: the same command goes on with what is saved",)
            raise
        except rj.InputError:
            if not any((out / POPULATION).rglob("chunk-*")):
                move(layout, out / REPLACED, out)  # refused before it began
                shutil.rmtree(out / REPLACED, ignore_errors=True)
            raise
        write_json(out / layout.record, record)
        for name in (POPULATION, REPLACED):
            shutil.rmtree(out / name, ignore_errors=True)


def move(layout: Layout, source: Path, target: Path) -> None:
    """Move what a run is made of, in place of what the target held of it."""
    target.mkdir(exist_ok=True)
    for name in layout.names:
        there = target / name
        if there.is_dir():
            shutil.rmtree(there)
        there.unlink(missing_ok=True)
        if (source / name).exists():
            (source / name).rename(there)


def describe(
    arguments: Arguments,
    argv: Sequence[str],
    dataset: OfflineDataset,
    spec: checkpoints.PolicySpec,
    settings: Settings | None,
    command: str = "train",
) -> dict[str, Any]:
    """Everything needed to repeat the run, as run.json holds it."""
    options = {k: v for k, v in vars(arguments).items() if k != "hyperparams"}
    return {
        "command": shlex.join(["ramac", command, *argv]),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "status": "running",
        "task": settings.task if settings else arguments.task,
        "preset": arguments.preset,
        "seeds": list(arguments.seeds),
        "options": options | {"hyperparams": arguments.hyperparams._asdict()},
        "hyperparams": arguments.hyperparams._asdict(),
        "actor_options": spec.actor_options,
        "datasets": [source._asdict() for source in dataset.sources],
        "dataset_records": [read_record(source.id) for source in dataset.sources],
        "env_id": dataset.env_spec.id if dataset.env_spec else None,
        "env": dataset.env_spec.to_json() if dataset.env_spec else None,
        "evaluation": settings.record() if settings else None,
        "scaling": {
            k: np.asarray(x).tolist() for k, x in spec.scaling._asdict().items()
        },
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.device_count(),
    }
