"""Fixtures of the tests of populations."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from ramac_jax.population import Callbacks, Storage, callbacks
from ramac_jax.population import train as training
from tests.population import toy

ROOT = Path(__file__).parents[2]
TIMEOUT = 240  # seconds of a process


@pytest.fixture(scope="session")
def read():
    """The arrays that a process wrote."""

    def load(path):
        with np.load(path) as held:
            return dict(held)

    return load


@pytest.fixture(scope="module")
def compiled_once():
    """Calls with the same agent and sizes share their programs, which have no state."""
    kept = {}

    def programs(agent, dataset, *sizes, **options):
        shapes = tuple(x.shape for x in jax.tree.leaves(dataset))
        key = (agent, shapes, *sizes, *options.items())
        if key not in kept:
            kept[key] = original(agent, dataset, *sizes, **options)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        original = training.Programs
        patch.setattr(training, "Programs", programs)
        yield


@pytest.fixture(scope="module")
def waiting():
    """Training waits for each evaluation, so that the checkpoints are determined."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "overlaps", lambda: False)
        yield


@pytest.fixture(scope="session")
def train():
    """Train the toy population with pretraining and evaluations, or a variant of it."""

    def call(folder=None, *, settings=None, start=toy.PRETRAINING, **options):
        changed = {x: options.pop(x) for x in Callbacks._fields if x in options}
        storage = None
        if folder is not None:
            storage = Storage(folder=folder, settings=settings or {})
        given = {
            "dataset": toy.DATASET,
            "members": toy.make_members(),
            "schedule": toy.SCHEDULE,
        }
        return training.train_population(
            toy.AGENT,
            **(given | options),
            start=start,
            callbacks=Callbacks(**({"evaluate": toy.evaluate} | changed)),
            storage=storage,
        )

    return call


@pytest.fixture(scope="module")
def uninterrupted(waiting, compiled_once, train, tmp_path_factory):
    """A run without interruption: the trained population, its folder, its reports."""
    folder, reports = tmp_path_factory.mktemp("uninterrupted"), []
    return train(folder, report=reports.append), folder, reports


@pytest.fixture(scope="session")
def launch(tmp_path_factory):
    """Start `tests.population.toy` as a process; what still runs is killed at the end.

    All processes compile with the same options and share a cache of programs.
    """
    started = []
    settings = {
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    def call(arguments, devices=1, **environment):
        flags = os.environ.get("XLA_FLAGS", "")
        flags += f" --xla_force_host_platform_device_count={devices}"
        words = json.dumps(arguments, default=str)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.population.toy", words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | settings | {"XLA_FLAGS": flags} | environment,
            cwd=ROOT,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def finish():
    """Wait for a process: its exit status, and its output."""

    def wait(process):
        text, _ = process.communicate(timeout=TIMEOUT)
        return process.returncode, text

    return wait
