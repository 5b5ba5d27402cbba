"""Records of runs that are read back: a damaged field is named, in one line."""

import json

import pytest

import ramac_jax as rj
from ramac_jax.cli import main
from ramac_jax.cli.runs.stored import KINDS, read_record, seeds_of

WHOLE = {
    "status": "diverged",
    "task": None,
    "preset": "paper/rafmac",
    "seeds": [3, 4],
    "diverged": [{"seed": 4, "step": 20}],
    "datasets": [{"id": "a/b-v0", "sha256": "00", "episodes": 2}],
    "resumed": ["2026-01-01T00:00:00+00:00"],
    "options": {"seed": 3},
    "policies": [{"name": "radac", "seeds": [{}], "diverged": []}],
    "a later version's": 1,
}


def write(folder, **changes):
    path = folder / "run.json"
    path.write_text(json.dumps(WHOLE | changes))
    return path


def test_a_whole_record_is_read_as_it_was_written(tmp_path):
    assert read_record(write(tmp_path)) == WHOLE


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("value", [3.5, True, [None], [{"seed": 3}]])
def test_a_field_of_another_kind_is_named(tmp_path, name, value):
    path = write(tmp_path, **{name: value})
    with pytest.raises(rj.InputError) as refused:
        read_record(path)
    line = str(refused.value)
    assert line == (
        f"{path} is damaged: {name} is {value!r}; restore the file, or give another run"
    )


@pytest.mark.parametrize("changes", [{"diverged": 3}, {"resumed": 3}, {"options": []}])
def test_no_run_resumes_from_a_damaged_record(tmp_path, capsys, changes):
    path = write(tmp_path, status="running", **changes)
    before = path.read_bytes()
    words = ["train", "--task", "hopper-medium-expert", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main.main(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path} is damaged: {next(iter(changes))} is ")
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


def test_seeds_are_those_of_the_agents():
    assert seeds_of(WHOLE, 2) == [3, 4] and seeds_of({}, 2) == [0, 1]
    with pytest.raises(rj.InputError, match="names 2 seeds and the checkpoint holds 3"):
        seeds_of(WHOLE, 3)
