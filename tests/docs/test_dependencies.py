"""What pyproject.toml asks for is what the library imports."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ramac_jax.extras import INSTALLED_BY

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Distributions whose name differs from that of the package.
DISTRIBUTIONS = {"orbax": "orbax-checkpoint", "mujoco": "gymnasium"}
# Modules, or what they print, that their projects may change without notice.
FRAGILE = {
    "jax.experimental": "jax",
    "jax._src": "jax",
    "minari.data_collector": "minari",
    "minari.dataset": "minari",
    "minari.namespace": "minari",
    "minari.storage": "minari",
    "ogbench": "ogbench",  # its rewards read the environments' own attributes
    "optuna": "optuna",  # the identities of its trials and storages are private
    "orbax.checkpoint": "orbax-checkpoint",  # the older of two interfaces
    "tyro": "tyro",  # cli/options/words.py reads the box that it draws
}


def imported(path):
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = sorted({m for p in (ROOT / "ramac_jax").rglob("*.py") for m in imported(p)})


def requirements(extra):
    """The requirements of an extra, those of the extras that it names included."""
    for text in EXTRAS[extra]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            for inner in sorted(requirement.extras):
                yield from requirements(inner)
        else:
            yield requirement


BASE = [Requirement(text) for text in PROJECT["dependencies"]]
APART = requirements("ogbench")  # not in "all": it brings DeepMind's control suite
KNOWN = {r.name: r for r in [*BASE, *requirements("all"), *APART]}


def distribution(module):
    package = module.partition(".")[0]
    return DISTRIBUTIONS.get(package, package)


@pytest.mark.parametrize("package", sorted({m.partition(".")[0] for m in MODULES}))
def test_every_import_is_declared(package):
    inside = sys.stdlib_module_names | {"ramac_jax", "__future__"}
    assert package in inside or distribution(package) in KNOWN


def test_every_requirement_is_imported_or_brings_a_backend():
    found = {distribution(module) for module in MODULES}
    assert set(KNOWN) - found == {"cmaes"}  # optuna imports it for its sampler


@pytest.mark.parametrize("package", INSTALLED_BY)
def test_the_extra_that_a_message_names_installs_the_package(package):
    named = {r.name: r for r in requirements(INSTALLED_BY[package])}
    brought = {"mujoco": "gymnasium"}  # by its extra
    assert brought.get(package, distribution(package)) in named


def is_within(module, prefix):
    return module == prefix or module.startswith(f"{prefix}.")


@pytest.mark.parametrize("prefix", FRAGILE)
def test_fragile_modules_come_from_packages_with_an_upper_bound(prefix):
    operators = {part.operator for part in KNOWN[FRAGILE[prefix]].specifier}
    assert "<" in operators


def test_tyro_is_no_older_than_the_box_that_the_commands_read():
    assert not KNOWN["tyro"].specifier.contains("1.0.16")
    assert KNOWN["tyro"].specifier.contains("1.0.17")


def test_private_and_experimental_modules_are_known_as_fragile():
    others = [m for m in MODULES if not m.startswith(("ramac_jax", "__future__"))]
    private = [m for m in others if re.search(r"\._|\.(experimental|internal)\b", m)]
    assert private, "the pattern finds none"
    for module in private:
        assert any(is_within(module, prefix) for prefix in FRAGILE), module


def test_constraints_hold_names_and_versions_only():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        plain = r"#.*|[\w.-]+==[\w.]+( ; python_version (<|>=) '3\.\d+')?"
        assert re.fullmatch(plain, line), line


def test_constraints_allow_what_the_project_allows():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [Requirement(line) for line in lines if not line.startswith("#")]
    every = [*KNOWN.values(), *requirements("dev")]
    for requirement in every:
        found = [p for p in pinned if p.name.lower() == requirement.name.lower()]
        assert found, f"{requirement.name} has no constraint"
        for pin in found:
            version = next(iter(pin.specifier)).version
            assert requirement.specifier.contains(version), pin
