"""Every Python block of the site's pages runs by itself."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("guides/*.md")])
BLOCKS = [
    pytest.param(page, block, id=f"{page.stem}-{index}")
    for page in PAGES
    for index, block in enumerate(
        re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    )
]


def test_most_guides_have_a_block():
    assert len({block.values[0] for block in BLOCKS}) >= 5


@pytest.mark.slow
@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_a_block_runs(page, block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, page.name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_paths_of_the_repository_exist(page):
    pattern = r"`((?:docs|tests|examples|experiments|benchmarks|ramac_jax)/[\w./-]+)`"
    for path in re.findall(pattern, page.read_text()):
        assert (DOCS.parent / path).exists(), path
