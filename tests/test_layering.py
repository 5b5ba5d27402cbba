"""Imports point one way, core <- world <- command line, and the core is pure."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

import ramac_jax
from tests.layers import (
    CORE,
    DOOR,
    MODULES,
    ROOT,
    WORLD,
    core_faults,
    imports,
    process_faults,
    room,
    rooms_of,
    tree_of,
    world_faults,
)

IN_CORE = [name for name in MODULES if room(name) in CORE]
IN_WORLD = [name for name in MODULES if room(name) in WORLD]


def test_every_module_is_on_one_floor():
    assert {room(name) for name in MODULES} == {*CORE, *WORLD, *DOOR, ""}


@pytest.mark.parametrize("name", IN_CORE)
def test_the_core_imports_only_the_rooms_before_its_own_and_is_pure(name):
    assert not list(core_faults(name, tree_of(name)))


@pytest.mark.parametrize("name", [x for x in MODULES if room(x) in {"agent"}])
def test_the_update_knows_no_actor_and_no_critic(name):
    assert not rooms_of(name, tree_of(name)) & {"actors", "critics", "networks"}


@pytest.mark.parametrize("name", IN_WORLD)
def test_the_world_does_not_import_the_command_line(name):
    assert not list(world_faults(name, tree_of(name)))


@pytest.mark.parametrize("name", [*IN_CORE, *IN_WORLD])
def test_the_library_leaves_signals_variables_and_the_settings_of_jax_alone(name):
    assert not list(process_faults(name, tree_of(name)))


def refuses(check, name, text):
    """Whether a check finds a fault in a module once a text is added to it."""
    tree = ast.parse(f"{MODULES[name].read_text()}\n{text}")
    return bool(list(check(name, tree)))


@pytest.mark.parametrize(
    "text",
    [
        "from ramac_jax import load_policy",
        "from ramac_jax.policy import load_policy",
        "import ramac_jax",
        "import ramac_jax as rj",
        "import ramac_jax.losses",
        "import ramac_jax.files as files",
        "import datetime",
        "import subprocess",
        "import signal",
        "import importlib",
        "from os import environ",
        "PATH = 'ramac_jax.policy:load_policy'",
        "x = np.load('x.npy')",
        "np.save('x.npy', 1)",
        "from numpy import fromfile",
        "x = jnp.load('x.npy')",
        "np.ones(2).tofile('x')",
        "print(1)",
        "from jax import jit as compile_it",
        "x = jax.devices()",
    ],
)
@pytest.mark.parametrize("name", ["ramac_jax.actors.diffusion", "ramac_jax.training"])
def test_a_core_that_reaches_the_world_is_refused(name, text):
    imported = "import jax\nimport jax.numpy as jnp\nimport numpy as np\n"
    assert not refuses(core_faults, name, imported)
    assert refuses(core_faults, name, imported + text)


@pytest.mark.parametrize(
    "text",
    [
        "import ramac_jax",
        "from ramac_jax import load_policy",
        "from ramac_jax.cli import process",
        "importlib.import_module('ramac_jax.cli.process')",
        "importlib.import_module(f'ramac_jax.cli.{name}')",
        "__import__('ramac_jax')",
    ],
)
def test_a_world_that_reaches_the_command_line_is_refused(text):
    assert refuses(world_faults, "ramac_jax.devices.memory", text)


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.environ |= {'X': '1'}",
        "import os\nos.environ['X'] = '1'",
        "import os\ndel os.environ['X']",
        "import os as system\nsystem.environ.update(X='1')",
        "from os import environ\nenviron['X'] = '1'",
        "from signal import signal",
        "import signal\nsignal.signal(2, None)",
        "import jax\njax.config.update('jax_enable_x64', True)",
        "from jax import config\nconfig.update('jax_enable_x64', True)",
        "import jax\njax.config.jax_enable_x64 = True",
    ],
)
@pytest.mark.parametrize("name", ["ramac_jax.devices.memory", "ramac_jax.compute"])
def test_a_library_that_changes_the_process_is_refused(name, text):
    assert refuses(process_faults, name, text)


def test_the_rooms_of_the_world_have_an_order():
    arrows = {x: set() for x in WORLD}
    for name in IN_WORLD:
        arrows[room(name)] |= rooms_of(name, tree_of(name)) & set(WORLD)
    assert list(TopologicalSorter(arrows).static_order())  # raises for a circle


@pytest.mark.parametrize("name", MODULES)
def test_the_library_imports_no_study_test_or_benchmark(name):
    strangers = {"experiments", "tests", "benchmarks", "examples"}
    assert not {x.partition(".")[0] for x in imports(tree_of(name))} & strangers


def test_importing_the_library_imports_nothing_else():
    program = (
        "import sys, ramac_jax\n"
        "heavy = {'jax', 'flax', 'numpy', 'gymnasium', 'minari', 'mujoco'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "ramac_jax.ramac_agent\n"
        "heavy -= {'jax', 'flax', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=120)


def test_public_names_exist_and_are_listed_alike_for_type_checkers():
    assert sorted(ramac_jax.__all__) == list(ramac_jax.__all__) == dir(ramac_jax)
    assert all(getattr(ramac_jax, name) is not None for name in ramac_jax.__all__)
    typed = {
        alias.name
        for node in ast.walk(tree_of("ramac_jax"))
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert typed == set(ramac_jax.__all__)


def test_an_unknown_name_of_the_library_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'ramac'"):
        _ = ramac_jax.ramac


def test_public_names_shadow_no_module_but_those_they_are():
    modules = {room(name) for name in MODULES}
    assert modules & set(ramac_jax.__all__) == {"compute", "losses", "risk"}
