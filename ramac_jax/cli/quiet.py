"""The messages of libraries: which a command leaves out, and how it prints others."""

import logging
import sys
import warnings
from typing import Any

from ramac_jax.cli import console

DOWNLOADS = "huggingface_hub.utils._http"
BACKGROUND = "absl"  # of Orbax, whose threads log what the command then reports


def quiet_libraries() -> None:
    """Turn off the advice of other libraries; they belong to this process.

    A failed download logs each of its retries, MuJoCo writes a log file about the files
    of Gymnasium's robots, and Orbax logs an error of the disk in each of its threads.
    Errors are printed as before, and Python's warnings as one line without the line of
    the program.
    """
    from ramac_jax.envs.mujoco_log import log_mujoco_warnings

    logging.getLogger(DOWNLOADS).setLevel(logging.ERROR)
    logging.getLogger(BACKGROUND).setLevel(logging.CRITICAL)
    sys.unraisablehook = print_unless_late
    log_mujoco_warnings()
    warnings.showwarning = print_warning


def print_warning(message: Warning | str, *place: Any, **more: Any) -> None:
    """Print a warning of Python, in one line."""
    console.warn(" ".join(str(message).split()))


def print_unless_late(unraisable: Any) -> None:
    """Print an error that cannot be raised, unless it comes after its event loop.

    TensorStore reports each write that fails to a loop of Orbax, which the first of
    them has closed.
    """
    if str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)
