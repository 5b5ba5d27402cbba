"""Imports point one way, core <- world <- command line, and the core is pure."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ramac_jax

PACKAGE = Path(ramac_jax.__file__).parent
ROOT = PACKAGE.parent
LIBRARIES = {"jax", "flax", "optax", "numpy"}
# Mathematics. A module or package may import those above it, and itself.
CORE = [
    "version",
    "errors",
    "hyperparams",
    "registry",
    "types",
    "risk",
    "losses",
    "validation",
    "normalization",
    "returns",
    "compute",
    "networks",
    "actors",
    "critics",
    "agent",
    "training",
]
# Simulators, disks and devices.
WORLD = [
    "data",
    "devices",
    "envs",
    "evaluation",
    "extras",
    "files",
    "folders",
    "policy",
    "policy_record",
    "population",
    "storage",
    "tasks",
]
DOOR = ["cli", "__main__"]
FORBIDDEN_MODULES = {"time", "os", "sys", "io", "pathlib", "logging", "random"}
FORBIDDEN_NAMES = {"print", "open", "input", "exec", "eval", "jit", "pmap"}
QUESTIONS_TO_THE_MACHINE = {
    "default_backend",
    "device_count",
    "devices",
    "environ",
    "local_device_count",
    "local_devices",
    "process_count",
    "process_index",
}

CONTROL_OF_THE_PROCESS = {
    "logging.basicConfig",
    "logging.disable",
    "os.environ.pop",
    "os.environ.setdefault",
    "os.environ.update",
    "os.putenv",
    "signal.signal",
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room(name):
    """The part of the library that a module belongs to, "" for the top."""
    return f"{name}.".split(".")[1]


def nodes(name):
    return ast.walk(ast.parse(MODULES[name].read_text()))


def imports(name):
    """Every module that a module imports anywhere: `from a import b` is a.b."""
    for node in nodes(name):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                inside = full in MODULES or not full.startswith("ramac_jax")
                yield full if inside else node.module


def rooms_of(name):
    """The other rooms of the library that a module imports from."""
    found = {room(x) for x in imports(name) if x.partition(".")[0] == "ramac_jax"}
    return found - {room(name), ""}


IN_CORE = [name for name in MODULES if room(name) in CORE]
WORKERS = "ramac_jax.evaluation.environments"  # its own processes ignore signals
IN_WORLD = [name for name in MODULES if room(name) in WORLD]


def test_every_module_is_on_one_floor():
    assert {room(name) for name in MODULES} == {*CORE, *WORLD, *DOOR, ""}


@pytest.mark.parametrize("name", IN_CORE)
def test_the_core_imports_only_arrays_and_the_rooms_before_its_own(name):
    assert rooms_of(name) <= set(CORE[: CORE.index(room(name))])
    for imported in imports(name):
        root = imported.partition(".")[0]
        known = LIBRARIES | sys.stdlib_module_names | {"ramac_jax"}
        assert root in known - FORBIDDEN_MODULES, f"{name} imports {imported}"


@pytest.mark.parametrize("name", IN_CORE)
def test_the_core_neither_compiles_nor_prints_nor_asks_the_machine(name):
    used = {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in nodes(name)
        if isinstance(node, ast.Name | ast.Attribute)
    }
    assert not used & (FORBIDDEN_NAMES | QUESTIONS_TO_THE_MACHINE)


@pytest.mark.parametrize("name", [x for x in MODULES if room(x) in {"agent"}])
def test_the_update_knows_no_actor_and_no_critic(name):
    assert not rooms_of(name) & {"actors", "critics", "networks"}


@pytest.mark.parametrize("name", IN_WORLD)
def test_the_world_does_not_import_the_command_line(name):
    assert not rooms_of(name) & set(DOOR)


@pytest.mark.parametrize("name", sorted({*IN_WORLD} - {WORKERS}))
def test_the_world_installs_no_signal_handler_and_sets_no_variable(name):
    for node in nodes(name):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in CONTROL_OF_THE_PROCESS
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        for target in filter(None, targets):
            assert not ast.unparse(target).startswith("os.environ["), name


def test_the_rooms_of_the_world_have_an_order():
    arrows = {x: set() for x in WORLD}
    for name in IN_WORLD:
        arrows[room(name)] |= rooms_of(name) & set(WORLD)
    assert list(TopologicalSorter(arrows).static_order())  # raises for a circle


@pytest.mark.parametrize("name", MODULES)
def test_the_library_imports_no_study_test_or_benchmark(name):
    strangers = {"experiments", "tests", "benchmarks", "examples"}
    assert not {x.partition(".")[0] for x in imports(name)} & strangers


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
        for node in nodes("ramac_jax")
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
