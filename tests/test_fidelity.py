"""The page on fidelity names only objects, files and tests that exist."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "fidelity.md").read_text()
NAMED = re.findall(r"`([^`]+)`", TEXT)
OBJECTS = [x for x in NAMED if re.fullmatch(r"ramac_jax(\.\w+)+", x)]
FILES = [x for x in NAMED if re.fullmatch(r"tests/[\w/]+\.py", x)]
TESTS = [x for x in NAMED if re.fullmatch(r"test_\w+", x)]


def test_the_page_names_objects_files_and_tests():
    assert len(OBJECTS) > 15 and len(FILES) > 15 and len(TESTS) > 20


def find(name):
    """Import an object by its full name; AttributeError if there is none."""
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            found = getattr(found, part)
        return found
    raise AttributeError(name)


@pytest.mark.parametrize("name", sorted({*OBJECTS}))
def test_objects_exist(name):
    assert find(name) is not None


def test_an_object_that_does_not_exist_is_noticed():
    with pytest.raises(AttributeError):
        find("ramac_jax.losses.no_such_loss")


def test_every_test_is_in_the_file_named_before_it():
    place = ""
    for name in NAMED:
        if name in FILES:
            place = (ROOT / name).read_text()
        elif name in TESTS:
            assert f"def {name}(" in place, name
