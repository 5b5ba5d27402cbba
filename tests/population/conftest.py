"""What the tests of populations share."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from ramac_jax.population import train as running

HERE = Path(__file__).parent
TIMEOUT = 120  # seconds that a process may take at most

spec = importlib.util.spec_from_file_location("toy", HERE / "toy.py")
toy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toy)


def assert_same(left, right):
    """Compare two trees bit by bit."""
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for pair in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        a, b = map(np.asarray, pair)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.tobytes() == b.tobytes()


@pytest.fixture(name="toy", scope="session")
def toy_fixture():
    """The module `toy`."""
    return toy


@pytest.fixture(name="same", scope="session")
def same_fixture():
    return assert_same


@pytest.fixture(scope="module")
def compiled_once():
    """Calls of the same agent and sizes share their programs, which keep no state."""
    kept = {}

    def programs(agent, dataset, *sizes, **options):
        shapes = tuple(x.shape for x in dataset)
        key = (agent, shapes, *sizes, *options.items())
        if key not in kept:
            kept[key] = original(agent, dataset, *sizes, **options)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        original = running.Programs
        patch.setattr(running, "Programs", programs)
        yield


@pytest.fixture(scope="session")
def launch(tmp_path_factory):
    """Start `worker.py` with some arguments; whatever still runs is killed at the end.

    All compile alike, and keep what they compiled for those that come after them.
    """
    started = []
    settings = {
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    def call(arguments, devices=1, **environment):
        flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
        words = json.dumps(arguments, default=str)
        process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | settings | flags | environment,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def finish():
    """Wait for a worker: its exit status, and what it printed."""

    def wait(process):
        text, _ = process.communicate(timeout=TIMEOUT)
        return process.returncode, text

    return wait


@pytest.fixture(scope="session")
def read():
    """The arrays that a worker wrote."""

    def load(path):
        with np.load(path) as held:
            return dict(held)

    return load
