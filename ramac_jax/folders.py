"""The folder of a run: its lock, and the settings that a resumed run repeats.

The lock needs the package filelock, of the extra `checkpoints`.
"""

import errno
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ramac_jax.differences import MISSING, first_difference
from ramac_jax.errors import InputError, first_line
from ramac_jax.extras import require
from ramac_jax.files import strict

require("filelock", __name__)
import filelock  # noqa: E402 - after the check that it is there

LOCK, HOLDER = ".lock", ".lock.holder"
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)


def lock_folder(folder: Path) -> AbstractContextManager[filelock.BaseFileLock]:
    """Reserve a folder for this process until it releases the lock or ends.

    Makes the folder where it does not exist. The lock is acquired at once, and released
    at the end of the `with` that the result is for. On a file system without locks it
    is a file that names this process, which stays where the machine fails.

    Raises `InputError` where another process holds the lock, and where the folder
    cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return acquire(filelock.FileLock(folder / LOCK))
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise unwritable(folder, error) from None
    try:
        return acquire(filelock.SoftFileLock(folder / HOLDER))
    except OSError as error:
        raise unwritable(folder, error) from None


def acquire(
    lock: filelock.BaseFileLock,
) -> AbstractContextManager[filelock.BaseFileLock]:
    """Acquire a lock; `InputError` where another process holds it."""
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        path = Path(lock.lock_file)
        raise InputError(
            f"another run uses {path.parent}{describe_holder(path)}: wait for it, or "
            "give another folder"
        ) from None


def describe_holder(path: Path) -> str:
    """What a lock file says of its process, and what to do where that has ended."""
    try:
        process, host, *_ = path.read_text().split()
    except (OSError, ValueError):
        return ""  # the system holds the lock, as long as the process lives
    return (
        f" (process {process} on {host}; if that has ended, remove the file {path} and "
        "begin again)"
    )


def unwritable(folder: Path, error: OSError) -> InputError:
    """The error for a folder that cannot be written to."""
    return InputError(
        f"cannot write to {folder}: {error.strerror}; give another folder"
    )


def check_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Compare settings with those in a file.

    Names that only the file has do not count; a file that does not exist has none.

    Args:
      path: JSON file in the folder of a run.
      settings: values of JSON by their names; nested mappings are compared name by
        name.

    Raises `InputError` with the first difference, and for a damaged file.
    """
    if not path.exists():
        return
    wanted = json.loads(json.dumps(strict(settings)))
    try:
        held = json.loads(path.read_text())
        if not isinstance(held, dict):
            raise TypeError("it holds no object")
        common = {name: held[name] for name in wanted if name in held}
        difference = first_difference(common, wanted)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged: {first_line(error)}") from None
    if difference is None:
        return
    name, before, now = difference
    if before == MISSING:
        raise InputError(
            f"{path.parent} holds a run of another version of ramac_jax, which "
            f"recorded no {name}: give another folder, or finish the run with that "
            "version"
        )
    raise InputError(
        f"{path.parent} holds a run with {name} {before}, not {now}: give {before}, or "
        "another folder"
    )
