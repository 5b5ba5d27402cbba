"""A dataset is there whole or not at all."""

import json
import os

import gymnasium as gym
import minari
import numpy as np
import pytest
from minari import cli
from minari.data_collector.episode_buffer import EpisodeBuffer
from typer.testing import CliRunner

from ramac_jax import InputError
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.local_datasets import is_local, open_dataset
from ramac_jax.data.writing import move_into_place, write_dataset

ID = "made/pendulum/small-v0"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def episode(first=0.0):
    return EpisodeBuffer(
        observations=np.full((3, 3), first),
        actions=np.zeros((2, 1), np.float32),
        rewards=np.array([first, 1.0]),
        terminations=np.zeros(2, bool),
        truncations=np.array([False, True]),
    )


def write(dataset_id=ID, episodes=None, **options):
    env = gym.make("Pendulum-v1")
    defaults = {
        "observation_space": env.observation_space,
        "action_space": env.action_space,
        "algorithm_name": "none",
        "description": "Two steps.",
        "env_spec": env.spec,
    }
    write_dataset(
        dataset_id,
        [episode()] if episodes is None else episodes,
        **(defaults | options),
    )


def listing(folder):
    return sorted(os.path.join(*x) for x in walk(folder))


def walk(folder):
    for path, folders, files in os.walk(folder):
        yield from ((path, name) for name in folders + files)


def rewards(dataset_id=ID):
    return load_datasets([dataset_id]).transitions.reward.tolist()


def test_what_is_written_comes_back(folder, recwarn):
    write(reference=(-1.5, 3.0), record={"seed": 1, "hazard": {"end": float("inf")}})
    assert not [x for x in recwarn if issubclass(x.category, UserWarning)]
    assert rewards() == [0.0, 1.0]
    dataset = open_dataset(ID)
    assert dataset.env_spec.id == "Pendulum-v1"
    assert dataset.id == ID
    # Minari's own normalised score reads the reference returns.
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


def test_minari_shows_it():
    write(record={"seed": 1})
    shown = CliRunner().invoke(cli.app, ["show", ID])
    assert shown.exit_code == 0, shown.output
    assert "Two steps." in shown.output and "Pendulum-v1" in shown.output


def test_an_id_that_is_taken_is_replaced_only_on_demand(folder):
    write()
    before = listing(folder)
    with pytest.raises(InputError, match="is there already: give another id, or over"):
        write(episodes=[episode(5.0)])
    assert rewards() == [0.0, 1.0]
    write(episodes=[episode(5.0)], overwrite=True)
    assert rewards() == [5.0, 1.0]
    assert listing(folder) == before


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_failure_half_way_changes_nothing(folder, error, taken):
    write(ID if taken else "made/other-v0")
    before = listing(folder)

    def interrupted():
        yield episode(7.0)
        raise error

    with pytest.raises(error):
        write(episodes=interrupted(), overwrite=True)
    assert listing(folder) == before
    if taken:
        assert rewards() == [0.0, 1.0]


def test_a_move_that_fails_puts_the_old_one_back(tmp_path):
    old, aside = tmp_path / "dataset", tmp_path / "aside"
    old.mkdir()
    with pytest.raises(OSError):
        move_into_place(tmp_path / "absent", old, aside=aside)
    assert os.listdir(tmp_path) == ["dataset"]


@pytest.mark.parametrize("name", ["", "no-version", "a b-v0", "../out-v0", "/abs-v0"])
def test_malformed_ids(folder, name):
    with pytest.raises(InputError, match="is no Minari id") as refused:
        write(name)
    assert "\n" not in str(refused.value)
    assert os.listdir(folder) == []


def test_ids_that_would_hide_or_remove_another_dataset(folder):
    write("made/hopper-v0")
    write("made/robots-v0/hopper-v0")
    before = listing(folder)
    with pytest.raises(InputError, match="inside the dataset made/hopper-v0"):
        write("made/hopper-v0/small-v0")
    with pytest.raises(InputError, match="a folder with other things in it"):
        write("made/robots-v0", overwrite=True)
    assert listing(folder) == before


def test_a_folder_that_cannot_be_written_to(folder, monkeypatch):
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
