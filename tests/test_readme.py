import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
NAMES = ["embed", "grid", "own-loop", "population", "environment"]


@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_every_example_runs(block):
    exec(compile(block, "README.md", "exec"), {})


def test_the_embedded_update_takes_nine_lines():
    code = BLOCKS[0].split("\n\n", 2)[2].strip().splitlines()
    assert len(code) <= 9


def test_every_module_is_in_the_map():
    package = Path(__file__).parents[1] / "ramac_jax"
    for path in package.iterdir():
        if path.suffix == ".py" and path.stem not in ("__init__", "version"):
            assert path.name in README, path.name
