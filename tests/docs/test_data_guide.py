"""The example of a file of one's own in the guide about data runs unchanged."""

import re
import shlex
from pathlib import Path

from ramac_jax.cli import data
from ramac_jax.data.loading import load_datasets

GUIDE = Path(__file__).parents[2] / "docs/guides/data.md"


def test_the_example_of_an_own_file_runs(tmp_path, monkeypatch, capsys):
    section = GUIDE.read_text().split("## A file of your own")[1].split("\n## ")[0]
    program, command = re.findall(r"```(?:python|sh)\n(.*?)```", section, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    exec(compile(program, GUIDE.name, "exec"), {})
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:2] == ["ramac", "data"]
    data.main(words[2:])
    assert "clipped to their bounds" in capsys.readouterr().err
    loaded = load_datasets(["mine/cart-v0"])
    assert loaded.transitions.observation.shape == (396, 2)
    assert loaded.env_spec.id == "MountainCarContinuous-v0"
