"""Environments that cannot be made: one line that says what is so."""

import os
import subprocess
import sys

import gymnasium
import jax.numpy as jnp
import pytest
from gymnasium.envs.registration import EnvSpec, WrapperSpec

from ramac_jax import InputError
from ramac_jax.cli.runs.evaluator import open_evaluator
from ramac_jax.cli.runs.protocol import make_protocol
from ramac_jax.envs.registration import make_environment
from ramac_jax.normalization import Scaling
from ramac_jax.policy import PolicySpec
from tests.layers import ROOT


def raising(error):
    def entry_point(**kwargs):
        raise error

    return EnvSpec("Own-v0", entry_point=entry_point)


def hopper(**changed):
    spec = gymnasium.make("Hopper-v5").spec
    for name, value in changed.items():
        setattr(spec, name, value)
    return spec


MONITOR = WrapperSpec("Monitor", "stable_baselines3.common.monitor:Monitor", None)
CASES = [
    (hopper(additional_wrappers=(MONITOR,)), "Monitor wrapper does not inherit from"),
    (hopper(entry_point="gymnasium.envs.mujoco:OldHopper"), "no attribute 'OldHopper'"),
    (hopper(entry_point="no_such_module:Robot"), "No module named 'no_such_module'"),
    (hopper(kwargs={"no_such": 1}), "unexpected keyword argument 'no_such'"),
    (raising(OSError(2, "no file")), "(FileNotFoundError: [Errno 2] no file)"),
    (raising(AssertionError()), "(AssertionError: AssertionError)"),
    (raising(RuntimeError("GLFW\nof many lines")), "(RuntimeError: GLFW)"),
]


@pytest.mark.parametrize(("spec", "reason"), CASES)
def test_what_the_factory_raises_is_one_line(spec, reason):
    with pytest.raises(InputError) as refused:
        make_environment(spec)
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(f"cannot make {spec.id} (")
    assert reason in message
    assert message.endswith("install what it needs, or give another environment")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes(error):
    with pytest.raises(error):
        make_environment(raising(error))


def test_a_run_names_the_way_without_an_environment():
    protocol = make_protocol(None, raising(ValueError("no robot")), "5")
    spec = PolicySpec(scaling=Scaling(*(jnp.zeros(2) for _ in Scaling._fields)))
    refused = pytest.raises(InputError, match="--episodes 0 trains without an eval")
    with refused, open_evaluator(spec, protocol):
        pass


def test_a_wrong_graphics_library_is_named():
    program = (
        "from ramac_jax.envs.mujoco_log import log_mujoco_warnings as log; log();"
        "from ramac_jax.envs.registration import make_environment as make;"
        "make('Hopper-v5')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"MUJOCO_GL": "bogus"},
        timeout=120,
    )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].endswith(
        "cannot make Hopper-v5 (RuntimeError: invalid value for environment variable "
        "MUJOCO_GL: bogus): MUJOCO_GL is bogus, which cannot draw here: unset it, or "
        "set MUJOCO_GL=disable, as nothing is drawn"
    )
