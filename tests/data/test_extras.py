"""Each package names the extra that installs what it lacks, in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("package", "module", "line"),
    [
        (
            "minari",
            "ramac_jax.data",
            "ramac_jax.data needs minari: pip install 'ramac_jax[data]'",
        ),
        (
            "h5py",
            "ramac_jax.data.loading",
            "ramac_jax.data needs h5py: pip install 'ramac_jax[data]'",
        ),
        (
            "gymnasium",
            "ramac_jax.envs.bandit",
            "ramac_jax.envs needs gymnasium: pip install 'ramac_jax[data]'",
        ),
        *[
            (
                package,
                "ramac_jax.population",
                f"ramac_jax.population needs {package}: "
                "pip install 'ramac_jax[checkpoints]'",
            )
            for package in ("filelock", "orbax", "psutil")
        ],
        (
            "filelock",
            "ramac_jax.folders",
            "ramac_jax.folders needs filelock: pip install 'ramac_jax[checkpoints]'",
        ),
    ],
)
def test_a_missing_package_is_named_with_its_extra(package, module, line):
    assert last_line(package, f"import {module}").endswith(f"MissingExtra: {line}")


def test_micro_batches_that_fit_the_cache_need_no_extra():
    program = "from ramac_jax.devices.cache import fit_cache; "
    program += "raise SystemExit(fit_cache(256)(8, 4) is None)"
    assert run_without("psutil", program).returncode == 1
    free = "from ramac_jax.devices.limits import free_host_bytes; free_host_bytes()"
    assert last_line("psutil", free).endswith(
        "MissingExtra: ramac_jax.devices needs psutil: "
        "pip install 'ramac_jax[checkpoints]'"
    )


def test_a_robot_without_mujoco_names_the_extra():
    program = "from ramac_jax.data.d4rl import robot_spaces; robot_spaces('Hopper')"
    assert last_line("mujoco", program).endswith(
        "MissingExtra: a robot of Gymnasium needs mujoco: "
        "pip install 'ramac_jax[mujoco]'"
    )


def run_without(package, program):
    """Run a program without a package."""
    hide = f"import sys; sys.modules[{package!r}] = None; "
    return subprocess.run(
        [sys.executable, "-c", hide + program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )


def last_line(package, program):
    """The last line that a failing program prints without a package."""
    run = run_without(package, program)
    assert run.returncode == 1, run.stderr
    return run.stderr.rstrip().splitlines()[-1]
