"""Evaluation without the packages that simulate."""

import subprocess
import sys

import gymnasium
import pytest
from gymnasium.envs.registration import EnvSpec

import ramac_jax as rj
from ramac_jax.evaluation import (
    Environments,
)


def test_statistics_need_no_simulator_and_environments_name_the_extra():
    program = """
import sys
sys.modules["gymnasium"] = sys.modules["mujoco"] = None
import ramac_jax as rj
from ramac_jax.evaluation import cvar, evaluate, rank, summarise
assert not {"scipy.stats", "scipy.special"} & {*sys.modules}
try:
    from ramac_jax.evaluation import Environments
except rj.InputError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip().endswith("needs gymnasium: pip install 'ramac_jax[data]'")


def test_a_robot_without_its_simulator_names_the_extra(monkeypatch):
    def lacks_mujoco(**options):
        raise gymnasium.error.DependencyNotInstalled("no MuJoCo; run pip")

    robot = EnvSpec("Robot-v0", entry_point=lacks_mujoco)
    with pytest.raises(
        rj.InputError, match="cannot make Robot-v0 .*no MuJoCo; run pip"
    ):
        Environments(robot, horizon=1)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(rj.InputError, match="a robot of Gymnasium needs mujoco: pip"):
        Environments(robot, horizon=1)
