"""The messages of other libraries that a command does not print."""

import logging
import sys
from typing import Any

DOWNLOADS = "huggingface_hub.utils._http"
BACKGROUND = "absl"  # of Orbax, whose threads log what the command then reports


def quiet_libraries() -> None:
    """Turn off the advice of other libraries; they belong to this process.

    A failed download logs each of its retries, MuJoCo writes a log file about the files
    of Gymnasium's robots, and Orbax logs an error of the disk in each of its threads.
    """
    from ramac_jax.envs.mujoco_log import log_mujoco_warnings

    logging.getLogger(DOWNLOADS).setLevel(logging.ERROR)
    logging.getLogger(BACKGROUND).setLevel(logging.CRITICAL)
    sys.unraisablehook = print_unless_late
    log_mujoco_warnings()


def print_unless_late(unraisable: Any) -> None:
    """Print an error that cannot be raised, unless it comes after its event loop.

    TensorStore reports each write that fails to a loop of Orbax, which the first of
    them has closed.
    """
    if str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)
