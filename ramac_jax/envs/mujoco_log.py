"""MuJoCo's warnings as records of Python's logging."""

import logging

LOGGER = logging.getLogger(__name__)


def log_mujoco_warnings() -> None:
    """Send MuJoCo's warnings to a logger of Python; for programs, not for libraries.

    By default MuJoCo prints each warning and appends it to MUJOCO_LOG.TXT in the
    current folder. The callback that this function sets serves the whole process, so
    the commands of this library call it, and the functions do not. A warning that
    a feature is deprecated, which the files of Gymnasium's robots cause, is logged at
    level DEBUG, any other at level WARNING. Without MuJoCo, or where it cannot be
    imported, nothing happens.
    """
    try:
        import mujoco
    except Exception:  # a wrong MUJOCO_GL raises a RuntimeError or an AttributeError
        return
    mujoco.set_mju_user_warning(log_warning)


def log_warning(text: str) -> None:
    """Log one warning of MuJoCo."""
    level = logging.DEBUG if "deprecated" in text else logging.WARNING
    LOGGER.log(level, "%s", text)
