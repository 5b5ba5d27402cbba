"""A dataset is written in full or not at all."""

import json
import os
import subprocess
import sys

import minari
import numpy as np
import pytest
from minari import cli
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.namespace import list_local_namespaces
from typer.testing import CliRunner

from ramac_jax import InputError
from ramac_jax.data import room
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.local_datasets import is_local, open_dataset
from ramac_jax.data.writing import move_into_place
from tests import episodes
from tests.episodes import listing
from tests.layers import ROOT

ID = "made/pendulum/small-v0"


def episode(first=0.0):
    return EpisodeBuffer(
        observations=np.full((3, 3), first),
        actions=np.zeros((2, 1), np.float32),
        rewards=np.array([first, 1.0]),
        terminations=np.zeros(2, bool),
        truncations=np.array([False, True]),
    )


def write(dataset_id=ID, made=None, **options):
    made = [episode()] if made is None else made
    return episodes.write(
        dataset_id, made, robot="Pendulum-v1", description="Two steps.", **options
    )


def rewards(dataset_id=ID):
    return load_datasets([dataset_id]).transitions.reward.tolist()


def test_a_written_dataset_is_read_back(folder, recwarn):
    write(reference=(-1.5, 3.0), record={"seed": 1, "hazard": {"end": float("inf")}})
    assert not [x for x in recwarn if issubclass(x.category, UserWarning)]
    assert rewards() == [0.0, 1.0]
    dataset = open_dataset(ID)
    assert dataset.env_spec.id == "Pendulum-v1"
    assert dataset.id == ID
    # Minari's own normalized score reads the reference returns.
    assert minari.get_normalized_score(dataset, np.array([-1.5, 3.0])).tolist() == [
        0,
        1,
    ]
    text = (folder / ID / "data" / "metadata.json").read_text()
    metadata = json.loads(text, parse_constant=pytest.fail)
    assert metadata["ramac_jax"] == {"seed": 1, "hazard": {"end": "inf"}}
    assert metadata["total_steps"] == 2
    assert os.listdir(folder) == ["made"]  # no draft is left
    assert list(minari.list_local_datasets()) == [ID]


def test_a_folder_that_is_given_takes_the_dataset_and_its_namespaces(folder, tmp_path):
    other = tmp_path / "made" / "elsewhere"
    write(root=other)
    data = load_datasets([ID], root=other)
    assert data.transitions.reward.tolist() == [0.0, 1.0]
    assert is_local(ID, other) and not is_local(ID)
    assert not (folder / ID).exists()
    namespaces = other.rglob("namespace_metadata.json")
    assert {x.parent.relative_to(other).as_posix() for x in namespaces} == {
        "made",
        "made/pendulum",
    }


def test_minari_lists_the_namespaces():
    write()
    assert list_local_namespaces() == ["made", "made/pendulum"]


def test_minari_shows_a_written_dataset():
    write(record={"seed": 1})
    shown = CliRunner().invoke(cli.app, ["show", ID])
    assert shown.exit_code == 0, shown.output
    assert "Two steps." in shown.output and "Pendulum-v1" in shown.output


def test_an_older_dataset_is_replaced_only_where_overwrite_says_so(folder):
    write()
    before = listing(folder)
    with pytest.raises(InputError, match="is there already: give another id, or over"):
        write(made=[episode(5.0)])
    assert rewards() == [0.0, 1.0]
    write(made=[episode(5.0)], overwrite=True)
    assert rewards() == [5.0, 1.0]
    assert listing(folder) == before


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_failure_while_writing_changes_nothing(folder, error, taken):
    write(ID if taken else "made/other-v0")
    before = listing(folder)

    def interrupted():
        yield episode(7.0)
        raise error

    with pytest.raises(error):
        write(made=interrupted(), overwrite=True)
    assert listing(folder) == before
    if taken:
        assert rewards() == [0.0, 1.0]


def test_a_failed_move_restores_the_older_dataset(tmp_path):
    old, aside = tmp_path / "dataset", tmp_path / "aside"
    old.mkdir()
    with pytest.raises(OSError):
        move_into_place(tmp_path / "absent", old, aside=aside)
    assert os.listdir(tmp_path) == ["dataset"]


@pytest.mark.parametrize("name", ["", "no-version", "a b-v0", "../out-v0", "/abs-v0"])
def test_malformed_ids_are_refused(folder, name):
    with pytest.raises(InputError, match="is no Minari id") as refused:
        write(name)
    assert "\n" not in str(refused.value)
    assert os.listdir(folder) == []


def test_an_id_inside_or_around_another_dataset_is_refused(folder):
    write("made/hopper-v0")
    write("made/robots-v0/hopper-v0")
    before = listing(folder)
    with pytest.raises(InputError, match="inside the dataset made/hopper-v0"):
        write("made/hopper-v0/small-v0")
    with pytest.raises(InputError, match="a folder with other things in it"):
        write("made/robots-v0", overwrite=True)
    assert listing(folder) == before


def test_a_folder_that_cannot_be_written_is_refused(folder, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(InputError, match=f"cannot write dataset {ID} .*No space left"):
        write()
    (folder / "file").touch()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder / "file"))
    for refused in (write, lambda: is_local(ID), lambda: open_dataset(ID)):
        with pytest.raises(InputError, match="no folder for datasets"):
            refused()


FILL = """
import resource, sys
import numpy as np
from ramac_jax import InputError
from tests import episodes
many = [episodes.sway(seed, 1000) for seed in range(20)]
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    episodes.write("made/big-v0", iter(many), overwrite=True)
except InputError as error:
    sys.exit(f"refused: {error}")
"""


def test_a_full_disk_is_one_line_and_the_process_lives(folder):
    write("made/big-v0")
    before = listing(folder)
    run = subprocess.run(
        [sys.executable, "-c", FILL],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert run.returncode == 1, run.stderr
    assert run.stderr.splitlines() == [
        "refused: cannot write dataset made/big-v0 ([Errno 27] File too large): make "
        "room, or set RAMAC_JAX_DATASETS_PATH to a folder of your own"
    ]
    assert listing(folder) == before
    assert rewards("made/big-v0") == [0.0, 1.0]


@pytest.mark.parametrize("size", [(1, 1), (40, 3), (3, 400)])
def test_the_room_that_is_asked_for_is_enough(folder, size, monkeypatch):
    asked = []
    monkeypatch.setattr(room, "check_room", lambda _, size, more: asked.append(size))
    number, steps = size
    episodes.write(ID, [episodes.sway(seed, steps) for seed in range(number)])
    assert len(asked) == number
    written = (folder / ID / "data/main_data.hdf5").stat().st_size
    assert 0.5 * asked[-1] < written < asked[-1]


def test_a_file_system_that_reserves_nothing_is_written_to(tmp_path, monkeypatch):
    def unsupported(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported, raising=False)
    write()
    assert rewards() == [0.0, 1.0]
    monkeypatch.delattr(os, "posix_fallocate")
    write(overwrite=True)
    assert rewards() == [0.0, 1.0]
