"""The messages of other libraries that a command does not print."""

import logging

DOWNLOADS = "huggingface_hub.utils._http"


def quiet_libraries() -> None:
    """Turn off the advice of other libraries; they belong to this process.

    A failed download logs each of its retries, and MuJoCo writes a log file about the
    files of Gymnasium's robots. Errors are printed as before.
    """
    from ramac_jax.envs.mujoco_log import log_mujoco_warnings

    logging.getLogger(DOWNLOADS).setLevel(logging.ERROR)
    log_mujoco_warnings()
