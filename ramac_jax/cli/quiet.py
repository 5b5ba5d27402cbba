"""The messages of libraries: which a command leaves out, and how it prints others."""

import logging
import warnings
from typing import Any

from ramac_jax.cli import console

DOWNLOADS = "huggingface_hub.utils._http"


def quiet_libraries() -> None:
    """Turn off the advice of other libraries; they belong to this process.

    A failed download logs each of its retries, and MuJoCo writes a log file about the
    files of Gymnasium's robots. Errors are printed as before, and Python's warnings as
    one line without the line of the program.
    """
    from ramac_jax.envs.mujoco_log import log_mujoco_warnings

    logging.getLogger(DOWNLOADS).setLevel(logging.ERROR)
    log_mujoco_warnings()
    warnings.showwarning = print_warning


def print_warning(message: Warning | str, *place: Any, **more: Any) -> None:
    """Print a warning of Python, in one line."""
    console.warn(" ".join(str(message).split()))
