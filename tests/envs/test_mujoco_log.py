"""MuJoCo's warnings: a program logs them, the library leaves the callback alone."""

import logging

import gymnasium
import mujoco
import pytest

from ramac_jax.envs.mujoco_log import log_mujoco_warnings, log_warning
from ramac_jax.evaluation import Environments

ROBOT = "HalfCheetah-v5"  # MuJoCo 4 warns about an attribute of its file


@pytest.fixture(autouse=True)
def callback(tmp_path, monkeypatch):
    """An empty working folder, and the process's callback restored afterwards."""
    monkeypatch.chdir(tmp_path)
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(None)
    yield
    mujoco.set_mju_user_warning(before)


def test_a_program_that_logs_the_warnings_gets_no_log_file(tmp_path, capfd):
    log_mujoco_warnings()
    gymnasium.make(ROBOT).close()
    assert not list(tmp_path.iterdir())
    assert "WARNING" not in capfd.readouterr().err


def test_workers_log_the_warnings_and_this_process_keeps_its_callback(tmp_path):
    received = []
    mujoco.set_mju_user_warning(received.append)
    mine = mujoco.get_mju_user_warning()
    with Environments(ROBOT, horizon=1, num_workers=1):
        pass
    assert not list(tmp_path.iterdir())
    assert mujoco.get_mju_user_warning() == mine


def test_other_warnings_are_logged_as_warnings_and_deprecations_are_not(caplog):
    with caplog.at_level(logging.DEBUG):
        log_warning("Nan, Inf or huge value in QACC at DOF 0.")
        log_warning("compiler attribute 'settotalmass' is deprecated")
    assert [x.levelname for x in caplog.records] == ["WARNING", "DEBUG"]
