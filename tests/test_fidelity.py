"""The page on fidelity names nothing that is not there."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "fidelity.md").read_text()
NAMED = re.findall(r"`([^`]+)`", TEXT)
OBJECTS = [x for x in NAMED if re.fullmatch(r"(ramac_jax|experiments)(\.\w+)+", x)]
FILES = [x for x in NAMED if re.fullmatch(r"tests/[\w/]+\.py", x)]
TESTS = [x for x in NAMED if re.fullmatch(r"test_\w+", x)]


def test_the_page_names_some_of_each():
    assert len(OBJECTS) > 15 and len(FILES) > 15 and len(TESTS) > 20


@pytest.mark.parametrize("name", sorted({*OBJECTS}))
def test_objects_exist(name):
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            found = getattr(found, part)
        return
    pytest.fail(f"{name} is no module")


def test_every_test_is_in_the_file_named_before_it():
    place = ""
    for name in NAMED:
        if name in FILES:
            place = (ROOT / name).read_text()
        elif name in TESTS:
            assert f"def {name}(" in place, name
