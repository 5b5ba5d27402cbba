"""Files and folders that are whole or absent, replaced in one move."""

import contextlib
import errno
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOM = "write to", "make room"
DISK_FAULTS = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: ROOM,
    errno.EROFS: ("write to", "make it writable"),
    errno.EIO: ("use", "check the disk"),
}
"""Errors of a disk that is full, over its quota, read-only or broken.

Each has what cannot be done with the disk, and what to do about it.
"""


class DiskFault(NamedTuple):
    """Why a disk cannot be used."""

    cannot: str
    """What cannot be done: write to it, or use it at all."""
    reason: str
    """The words of the system."""
    advice: str


def disk_fault(error: BaseException | None) -> DiskFault | None:
    """What is wrong with the disk; None: it is another error.

    Libraries that write in the background pass on the words of the system alone.
    """
    while error is not None:
        number = getattr(error, "errno", None)
        for known, (cannot, advice) in DISK_FAULTS.items():
            reason = os.strerror(known)
            if number == known or f"{reason} [os_error_code=" in str(error):
                return DiskFault(cannot, reason, advice)
        error = error.__cause__ or error.__context__
    return None


def strict(value: Any) -> Any:
    """Return a value as strict JSON holds it.

    Paths become strings and tuples become lists. JSON has no infinity and no NaN: these
    become the strings "inf", "-inf" and "nan", which `float` reads.
    """
    if isinstance(value, Mapping):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, Path) else value


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Replace a file by strict JSON in one move."""
    write_text(path, json.dumps(strict(record), indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file in one move."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.replace(path)


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder to fill, which then takes the place of `folder`.

    Where the body fails nothing changes: an earlier folder stays, and no draft is left.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f".{folder.name}-"
    ) as workplace:
        new, old = Path(workplace, "new"), Path(workplace, "old")
        new.mkdir()
        yield new
        try:
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        except BaseException:  # an interrupt too
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise
