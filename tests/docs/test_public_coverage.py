"""The site's own check: a public name without documentation is reported."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def coverage():
    path = DOCS / "extensions" / "public_coverage.py"
    spec = importlib.util.spec_from_file_location("public_coverage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def module():
    """A module with a documented function, one without docstring, and a private one."""
    made = ModuleType("made")
    source = (
        'def spoken():\n    """Return nothing."""\n'
        "def silent():\n    pass\n"
        "def _private():\n    pass\n"
    )
    exec(source, vars(made))
    return made


def test_a_public_name_needs_an_entry_and_a_docstring(coverage, module):
    entries = ["made.spoken", "made.silent"]
    assert coverage.undocumented(module, entries) == ["made.silent"]
    assert coverage.undocumented(module, []) == ["made.spoken", "made.silent"]


def test_the_list_of_public_names_decides_where_there_is_one(coverage, module):
    module.__all__ = ["spoken", "__version__"]
    assert coverage.public_names(module) == ["spoken"]


def test_a_name_that_came_from_elsewhere_is_not_public_by_itself(coverage, module):
    module.borrowed = Path
    assert coverage.public_names(module) == ["spoken", "silent"]
