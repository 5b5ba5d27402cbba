"""The site's translation of docstrings: formulas in plain text survive."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def docstrings():
    path = DOCS / "extensions" / "plain_docstrings.py"
    spec = importlib.util.spec_from_file_location("plain_docstrings", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_bars_and_stars_are_escaped_outside_of_code(docstrings):
    assert docstrings.escape("|x| of b* in `a|b`") == r"\|x\| of b\* in `a|b`"


def test_emphasised_words_stay_emphasised(docstrings):
    assert docstrings.escape("a *smaller level* of x*") == r"a *smaller level* of x\*"


def test_a_table_becomes_a_literal_block(docstrings):
    lines = ["Text.", "", "| a | b |", "|---|---|", "", "|x| grows."]
    assert docstrings.translate(lines) == [
        "Text.",
        "",
        "::",
        "",
        "    | a | b |",
        "    |---|---|",
        "",
        r"\|x\| grows.",
    ]


def test_the_comment_behind_a_field_describes_it(docstrings):
    comment = docstrings.comment_of_field("ramac_jax.types.State.step")
    assert comment == "[], updates made so far"
    assert docstrings.comment_of_field("ramac_jax.types.State.actor_params") == ""
