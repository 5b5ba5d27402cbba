"""Checks of the folder that a command writes to."""

import os
import tempfile
from pathlib import Path

import ramac_jax as rj


def writable_folder(path: Path) -> Path:
    """Make the folder where needed; `InputError` where nothing can be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise rj.InputError(
            f"cannot write to {path}: {error.strerror}; give another --out"
        ) from None
    return path


def check_writable(path: Path) -> None:
    """Raise `InputError` where `writable_folder` would fail; makes nothing."""
    nearest = next(x for x in (path, *path.absolute().parents) if x.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise rj.InputError(
            f"cannot write to {path}: {nearest} is no folder that can be written to; "
            "give another --out"
        )
