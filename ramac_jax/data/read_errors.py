"""Why a dataset cannot be read: damage, or what a new download does not change."""

import errno

from ramac_jax.errors import InputError, first_line

DAMAGE = (None, 0, errno.EINVAL, errno.EIO, errno.ENOENT, errno.ENOTDIR)
"""Numbers of an `OSError` that a damaged file may have; HDF5's errors have none."""
DAMAGED = "its files may be damaged; download or make it again"
NO_LOCKS = "unable to lock file"
"""In HDF5's message where its file cannot be locked."""


def unreadable(dataset_id: str, error: Exception) -> InputError:
    """Return the error of a dataset that is present and cannot be read."""
    text = first_line(error)
    return InputError(f"dataset {dataset_id} cannot be read ({text}){advice_on(error)}")


def advice_on(error: Exception, damage: str = DAMAGED) -> str:
    """Return what to do about an error, after a colon.

    Args:
      error: of reading a file; "" is returned where its own text says what to do.
      damage: what is said where the file may be damaged.
    """
    text = str(error)
    if NO_LOCKS in text:
        return f": {lock_advice(text)}"
    if isinstance(error, ImportError) or "does not support the dataset" in text:
        return ""  # a package, or another version of Minari, that Minari names
    if isinstance(error, PermissionError):
        return ": ask its owner for the right to read it, or use a copy"
    if isinstance(error, OSError) and error.errno not in DAMAGE:
        return ": the system refuses it, and its files may be whole; try again"
    if "EnvSpec" in text:
        return ": this version of gymnasium does not know its environment's spec"
    return f": {damage}"


def lock_advice(text: str) -> str:
    """Return what to do where HDF5 cannot lock a file."""
    busy = any(f"errno = {x}," in text for x in (errno.EAGAIN, errno.EACCES))
    if busy:
        return (
            "another process writes it, or its file system has no locks: wait, or set "
            "HDF5_USE_FILE_LOCKING=FALSE where no process writes it"
        )
    return "its file system has no locks: set HDF5_USE_FILE_LOCKING=FALSE"
