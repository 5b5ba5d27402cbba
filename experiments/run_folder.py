"""The folder of a run: the files in it, and the record that repeats the run."""

import datetime
import shlex
import shutil
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

import ramac_jax as rj
from experiments import console, scoring
from experiments.options import Arguments
from experiments.settings import Settings
from ramac_jax import checkpoints
from ramac_jax.tasks.datasets import OfflineDataset
from ramac_jax.tasks.relabelling import read_record

FILES = (
    "run.json",
    "metrics.csv",
    "evaluations.csv",
    "learning.png",
    "checkpoint",
    *scoring.FILES,
)


def check_folder(arguments: Arguments) -> None:
    """Raise `InputError` unless a run can be written to --out; touches nothing."""
    try:
        held = [name for name in FILES if (arguments.out / name).exists()]
    except OSError as error:
        raise rj.InputError(
            f"cannot use {arguments.out}: {error.strerror}; give another --out"
        ) from None
    console.check_writable(arguments.out)
    checkpoint = arguments.out / "checkpoint"
    others = [name for name in held if name != "checkpoint"]
    if (checkpoint.exists() and not (checkpoint / checkpoints.SPEC).is_file()) or any(
        (arguments.out / name).is_dir() for name in others
    ):
        raise rj.InputError(
            f"{arguments.out} holds something else by the name of a run's files "
            f"({', '.join(held)}): give another --out"
        )
    if held and not arguments.overwrite:
        raise rj.InputError(
            f"{arguments.out} already holds a run ({', '.join(held)}): give another "
            "--out, or --overwrite"
        )


def clear_folder(arguments: Arguments) -> None:
    """Make --out, and remove what an earlier run left in it."""
    console.writable_folder(arguments.out)
    for name in FILES:
        if name == "checkpoint":
            shutil.rmtree(arguments.out / name, ignore_errors=True)
        else:
            (arguments.out / name).unlink(missing_ok=True)


def describe(
    arguments: Arguments,
    argv: Sequence[str],
    dataset: OfflineDataset,
    spec: checkpoints.PolicySpec,
    settings: Settings | None,
) -> dict[str, Any]:
    """Everything needed to repeat the run, as run.json holds it."""
    options = vars(arguments).copy()
    hyperparams = options.pop("hyperparams")
    return {
        "command": shlex.join(["python", "-m", "experiments.train", *argv]),
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
