"""The JSON file that a benchmark writes, with the conditions of the measurement."""

import datetime
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

import ramac_jax as rj
from ramac_jax.cli import folders, provenance
from ramac_jax.files import write_json


def conditions(module: str) -> dict[str, Any]:
    """Return the machine, versions, commit, date and command of a measurement.

    Args:
      module: name of the benchmark inside this package.
    """
    return {
        "cpu_count": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.device_count(),
        "platform": jax.default_backend(),
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "date": datetime.date.today().isoformat(),
        "command": ["python", "-m", f"benchmarks.{module}", *sys.argv[1:]],
    }


def check_out(out: Path | None) -> None:
    """Make the folder of --out; `InputError` where the file cannot be written."""
    if out is None:
        return
    if out.is_dir():
        raise rj.InputError(f"--out is {out}, a folder: give a file")
    folders.writable_folder(out.absolute().parent)


def write_record(out: Path | None, module: str, result: Mapping[str, Any]) -> None:
    """Write the results of a benchmark and their conditions; None: write nothing."""
    if out is not None:
        write_json(out, {**result, **conditions(module)})
