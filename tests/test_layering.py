"""Imports point one way, and the core is pure."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import ramac_jax

PACKAGE = Path(ramac_jax.__file__).parent
LIBRARIES = {"jax", "flax", "optax", "numpy"}
# Each core module may import those above it and nothing else of the library.
CORE = [
    "ramac_jax.types",
    "ramac_jax.risk",
    "ramac_jax.compute.random_numbers",
    "ramac_jax.compute.flat_params",
    "ramac_jax.networks.heads.plain",
    "ramac_jax.networks.heads.fused",
    "ramac_jax.networks.heads",
    "ramac_jax.networks.layers",
    "ramac_jax.compute.microbatches",
    "ramac_jax.losses",
    "ramac_jax.validation",
    "ramac_jax.critics.ensembles",
    "ramac_jax.actors.noise",
    "ramac_jax.actors.diffusion",
    "ramac_jax.actors.flow",
    "ramac_jax.actors.vae",
    "ramac_jax.actors.gaussian",
    "ramac_jax.actors.distilled",
    "ramac_jax.actors.perturbed",
    "ramac_jax.actors",
    "ramac_jax.agent.optimizer",
    "ramac_jax.compute.data_parallel",
    "ramac_jax.agent.design",
    "ramac_jax.agent.critic_loss",
    "ramac_jax.agent.actor_loss",
    "ramac_jax.agent.ramac",
    "ramac_jax.training",
    "ramac_jax.normalization",
    "ramac_jax.version",
    "ramac_jax",
]
FORBIDDEN_MODULES = {"time", "os", "sys", "io", "pathlib", "logging", "random"}
FORBIDDEN_NAMES = {"print", "open", "input", "exec", "eval", "jit", "pmap"}


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def parse(name):
    return ast.walk(ast.parse(MODULES[name].read_text()))


def imports(name):
    """Every module imported anywhere in a module, in full: `from a import b` is a.b."""
    for node in parse(name):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                inside = full in MODULES or not full.startswith("ramac_jax")
                yield full if inside else node.module


def within(name, package):
    return name == package or name.startswith(f"{package}.")


def test_every_actor_and_core_file_is_in_the_order():
    known = set(CORE) | {name for name in MODULES if within(name, "ramac_jax.actors")}
    world = ("tasks", "evaluation", "checkpoints", "populations")
    outside = {m for m in MODULES if any(within(m, f"ramac_jax.{w}") for w in world)}
    assert set(MODULES) - outside == known


@pytest.mark.parametrize("name", CORE)
def test_the_core_imports_only_arrays_and_what_comes_before(name):
    earlier = set(CORE[: CORE.index(name)])
    for imported in imports(name):
        root = imported.partition(".")[0]
        if root == "ramac_jax":
            assert imported in earlier, f"{name} imports {imported}"
        else:
            assert root in LIBRARIES | sys.stdlib_module_names, f"{name}: {imported}"
            assert root not in FORBIDDEN_MODULES, f"{name} imports {imported}"


@pytest.mark.parametrize("name", ["agent", "design", "critic_loss", "actor_loss"])
def test_the_update_knows_no_actor(name):
    found = imports(f"ramac_jax.{name}")
    assert not [m for m in found if within(m, "ramac_jax.actors")]


@pytest.mark.parametrize("name", MODULES)
def test_the_library_knows_no_experiment(name):
    strangers = ("experiments", "tests", "benchmarks")
    assert not [m for m in imports(name) if m.partition(".")[0] in strangers]


@pytest.mark.parametrize("name", CORE)
def test_the_core_neither_compiles_nor_prints_nor_reads(name):
    used = set()
    for node in parse(name):
        if isinstance(node, ast.Name):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
    assert not used & FORBIDDEN_NAMES


def test_importing_the_library_loads_no_simulator_and_no_plotting():
    program = (
        "import sys, ramac_jax\n"
        "heavy = {'gymnasium', 'minari', 'mujoco', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=PACKAGE.parent, timeout=120
    )


def test_public_names_exist_and_shadow_only_the_two_modules_they_are():
    assert sorted(ramac_jax.__all__) == list(ramac_jax.__all__)
    assert all(hasattr(ramac_jax, name) for name in ramac_jax.__all__)
    modules = {module.name for module in pkgutil.iter_modules(ramac_jax.__path__)}
    assert modules & set(ramac_jax.__all__) == {"losses", "risk"}
    defined = {
        node.name
        for name in MODULES
        for node in parse(name)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    assert not modules & defined
