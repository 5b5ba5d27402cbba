"""The folder of a run: the files in it, and the record that repeats the run."""

import contextlib
import datetime
import json
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

import ramac_jax as rj
from experiments import console, scoring, sinks
from experiments.agents import lasting_options
from experiments.options import Arguments
from experiments.recording import EVALUATIONS, METRICS
from experiments.settings import Settings
from ramac_jax import checkpoints, populations
from ramac_jax.tasks.datasets import OfflineDataset
from ramac_jax.tasks.relabelling import read_record
from ramac_jax.validation import first_line

POPULATION = "population"  # checkpoints to go on from
FOLDERS = ("checkpoint", POPULATION, *sinks.FOLDERS)
FILES = (
    "run.json",
    METRICS,
    EVALUATIONS,
    "learning.png",
    *FOLDERS,
    *scoring.FILES,
)
ENDED = ("finished", "diverged")


def check_folder(arguments: Arguments) -> bool:
    """Whether --out holds an unfinished run of these options, to be gone on with.

    Raises `InputError` where a run can neither be begun nor gone on with there, with
    the first option that differs; touches nothing.
    """
    try:
        held = [name for name in FILES if (arguments.out / name).exists()]
    except OSError as error:
        raise rj.InputError(
            f"cannot use {arguments.out}: {error.strerror}; give another --out"
        ) from None
    console.check_writable(arguments.out)
    kinds = {name: (arguments.out / name).is_dir() for name in held}
    checkpoint = arguments.out / "checkpoint"
    if any(is_folder != (name in FOLDERS) for name, is_folder in kinds.items()) or (
        checkpoint.exists() and not (checkpoint / checkpoints.SPEC).is_file()
    ):
        raise rj.InputError(
            f"{arguments.out} holds something else by the name of a run's files "
            f"({', '.join(held)}): give another --out"
        )
    if not held or arguments.overwrite:
        return False
    unfinished = arguments.out / POPULATION / populations.SETTINGS
    if not unfinished.exists() or read_record_of(arguments.out)["status"] in ENDED:
        raise rj.InputError(
            f"{arguments.out} already holds a run ({', '.join(held)}): give another "
            "--out, or --overwrite"
        )
    populations.check_settings(unfinished, {"settings": lasting_options(arguments)})
    return True


def read_record_of(folder: Path) -> dict[str, Any]:
    """What run.json says; `InputError` where it is damaged."""
    try:
        record = json.loads((folder / "run.json").read_text())
        return {"status": None, **record}
    except (OSError, ValueError, TypeError) as error:
        raise rj.InputError(
            f"cannot read {folder / 'run.json'}: {first_line(error)}"
        ) from None


def clear_folder(arguments: Arguments) -> None:
    """Make --out, and remove what an earlier run left in it."""
    console.writable_folder(arguments.out)
    for name in FILES:
        if name in FOLDERS:
            shutil.rmtree(arguments.out / name, ignore_errors=True)
        else:
            (arguments.out / name).unlink(missing_ok=True)


@contextlib.contextmanager
def held(arguments: Arguments, record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Hold --out for one run, its record written; gives that of the run gone on with.

    Raises `InputError` as `check_folder` does, and where another run is at work.
    """
    out = console.writable_folder(arguments.out)
    with populations.lock(out):
        if check_folder(arguments):
            earlier = read_record_of(out)
            again = [*earlier.get("resumed", ()), record["started"]]
            record = {**earlier, "resumed": again, "status": "running"}
        else:
            clear_folder(arguments)
        console.write_json(out / "run.json", record)
        try:
            yield record
        except KeyboardInterrupt:
            console.write_json(out / "run.json", record | {"status": "interrupted"})
            raise


def describe(
    arguments: Arguments,
    argv: Sequence[str],
    dataset: OfflineDataset,
    spec: checkpoints.PolicySpec,
    settings: Settings | None,
    command: str = "train",
) -> dict[str, Any]:
    """Everything needed to repeat the run, as run.json holds it."""
    options = vars(arguments).copy()
    hyperparams = options.pop("hyperparams")
    return {
        "command": shlex.join(["python", "-m", f"experiments.{command}", *argv]),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "status": "running",
        "task": settings.task if settings else arguments.task,
        "preset": arguments.preset,
        "seeds": list(arguments.seeds),
        "options": options,
        "hyperparams": hyperparams._asdict(),
        "actor_options": spec.actor_options,
        "datasets": [source._asdict() for source in dataset.sources],
        "dataset_records": [read_record(source.id) for source in dataset.sources],
        "env_id": dataset.env_spec.id if dataset.env_spec else None,
        "env": dataset.env_spec.to_json() if dataset.env_spec else None,
        "evaluation": settings.record() if settings else None,
        "scaling": {
            k: np.asarray(x).tolist() for k, x in spec.scaling._asdict().items()
        },
        "versions": console.versions(),
        "git_commit": console.git_commit(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.device_count(),
    }
