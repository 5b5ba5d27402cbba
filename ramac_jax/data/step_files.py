"""Files that hold arrays of steps: HDF5 and NumPy's .npz."""

import contextlib
import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ramac_jax.data.read_errors import advice_on
from ramac_jax.errors import InputError, first_line

READ_ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the libraries raise for a file that is damaged or something else."""


def list_arrays(path: Path) -> list[str]:
    """Return the keys of the arrays of numbers in a file.

    Raises `InputError` for a file that is absent or cannot be read.
    """
    with opened(path) as file:
        if not isinstance(file, h5py.File):
            return [key for key in file.files if is_numeric(loaded(file, key))]
        found: list[str] = []

        def visit(key: str, entry: Any) -> None:
            if isinstance(entry, h5py.Dataset) and is_numeric(entry):
                found.append(key)

        file.visititems(visit)
        return found


def loaded(file: Any, key: str) -> Any:
    """Return an entry of an .npz; None for one of Python objects."""
    try:
        return file[key]
    except ValueError:  # pickled objects, which are not read
        return None


def read_arrays(
    path: Path, keys: Mapping[str, Sequence[str]], dtype: Any = None
) -> dict[str, np.ndarray]:
    """Read arrays of numbers, each from the columns of one or more keys.

    Args:
      path: the file.
      keys: of each array, the keys that it consists of, one after the other.
      dtype: of the arrays; None: as the file has them. Numbers beyond its range become
        infinite.

    Raises `InputError` for a file that cannot be read, and for keys of one array whose
    lengths differ.
    """
    with opened(path) as file, np.errstate(over="ignore"):
        return {
            name: join_columns(name, some, [np.asarray(file[k], dtype) for k in some])
            for name, some in keys.items()
        }


def join_columns(
    name: str, keys: Sequence[str], parts: Sequence[np.ndarray]
) -> np.ndarray:
    """Return arrays [D, ...] side by side; a single one as it is."""
    if len(parts) == 1:
        return parts[0]
    if len({len(part) if part.ndim else 0 for part in parts}) > 1:
        listed = ", ".join(
            f"{k} {list(x.shape)}" for k, x in zip(keys, parts, strict=True)
        )
        raise InputError(f"{name} consist of arrays of different lengths: {listed}")
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def is_numeric(entry: Any) -> bool:
    """Return whether an entry of a file is an array of numbers or flags."""
    return entry is not None and entry.dtype.kind in "biuf"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file or an .npz; `InputError` for anything else."""
    if not path.is_file():
        raise InputError(f"{path} is no file: give an HDF5 file or an .npz")
    is_npz = path.suffix == ".npz"
    try:
        with open_npz(path) if is_npz else h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except READ_ERRORS as error:
        kind = ".npz" if is_npz else "HDF5 file"
        advice = advice_on(
            error, f"it is no {kind}, or a damaged one; download it again"
        )
        raise InputError(
            f"{path} cannot be read ({first_line(error)}){advice}"
        ) from error


def open_npz(path: Path) -> Any:
    """Open an .npz; `ValueError` for a file of a single array."""
    found = np.load(path)
    if not isinstance(found, np.lib.npyio.NpzFile):
        raise ValueError("it holds a single array")
    return found


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
