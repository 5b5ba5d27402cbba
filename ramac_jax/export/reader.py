"""The reader of exported policies: their record, checked, and a program that runs."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ramac_jax.errors import InputError, first_line
from ramac_jax.export import onnx, stablehlo
from ramac_jax.export.exported import ExportedPolicy
from ramac_jax.files import strict
from ramac_jax.policy.hub import local_folder
from ramac_jax.policy_record import either, text_checksum

RECORD = "policy.json"
KIND = "exported policy of ramac_jax"
VERSIONS = (1, 2)
"""Of an export, without and with what observations are reduced by or flattened by: see
`ramac_jax.policy_record.FORMATS`."""


def is_exported(folder: Path) -> bool:
    """Return whether a folder holds an export, damaged or not."""
    if any((folder / name).exists() for name in (stablehlo.FILE, onnx.FILE)):
        return True
    try:
        record = json.loads((folder / RECORD).read_text())
        return bool(record.get("kind") == KIND)
    except (OSError, ValueError, AttributeError):
        return False


def checksum(record: Mapping[str, Any]) -> int:
    """Return the checksum that `policy.json` has of its other fields."""
    fields = {name: value for name, value in record.items() if name != "checksum"}
    return text_checksum(strict(fields))


def load_exported(folder: str | Path) -> ExportedPolicy:
    """Read an exported policy: its StableHLO program, or else the ONNX one.

    Args:
      folder: that `ramac export` wrote, or hf://OWNER/NAME.

    Raises `InputError` for a folder that is no export, is damaged, or is of another
    version; and where this machine has no program for its platform.
    """
    folder = local_folder(folder)
    if not is_exported(folder):
        raise InputError(f"{folder} holds no exported policy: give one of ramac export")
    try:
        record = json.loads((folder / RECORD).read_text())
        files = dict(record["files"])
        version = record["version"]
        if version in VERSIONS and record.get("checksum") != checksum(record):
            raise InputError(f"its file {RECORD} has changed")
        known = version not in VERSIONS or bool(record["inputs"] and record["outputs"])
    except Exception as error:  # damage takes as many forms as there are bytes
        raise damaged(folder, error) from error
    if version not in VERSIONS or not known:
        raise InputError(
            f"{folder} has version {version} of an export, and this version of "
            f"ramac_jax reads {either(VERSIONS)}: export the policy again"
        )
    return open_program(folder, record, files)


def open_program(
    folder: Path, record: Mapping[str, Any], files: Mapping[str, str]
) -> ExportedPolicy:
    """Return the policy of the first program that runs on this machine."""
    here = stablehlo.current_platform()
    if stablehlo.FILE in files and here in record.get("platforms", ()):
        name: str = stablehlo.FILE
    elif onnx.FILE in files:
        name = onnx.FILE
    else:
        raise InputError(f"{folder} has no program for {here}: export the policy again")
    try:
        content = (folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != files[name]:
            raise InputError(f"its file {name} has changed")
        runner = stablehlo.Runner if name == stablehlo.FILE else onnx.Runner
        return ExportedPolicy(record, runner(content), name)
    except ImportError:  # a missing extra
        raise
    except Exception as error:
        raise damaged(folder, error) from error


def damaged(folder: Path, error: Exception) -> InputError:
    """Return the error for an export that exists and cannot be read."""
    return InputError(f"export {folder} is damaged: {first_line(error)}")
