"""Episodes as Minari itself reads them, in files of every kind."""

import dataclasses
import types

import gymnasium
import h5py
import numpy as np
import pytest

from ramac_jax.data import stored_episodes
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.local_datasets import open_dataset
from ramac_jax.data.relabel import relabel_dataset
from ramac_jax.data.stored_episodes import FIELDS, is_plain, read_episodes
from ramac_jax.tasks import find_task
from tests.episodes import play, refusal, sway, write

NAME = "made/source-v0"
HAZARD = find_task("hopper-medium-expert").hazard


def check_same(dataset):
    """Check that our episodes are Minari's own, bit for bit and in the same order."""
    ours, minaris = list(read_episodes(dataset)), list(dataset.iterate_episodes())
    assert [x.id for x in ours] == [x.id for x in minaris]
    for our, minari in zip(ours, minaris, strict=True):
        for name in FIELDS:
            left, right = getattr(our, name), getattr(minari, name)
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vectors_are_read_as_minari_reads_them(dtype):
    write(
        NAME,
        [
            dataclasses.replace(x, observations=x.observations.astype(dtype))
            for x in (*play(), sway(1, 700), sway(2, 1))
        ],
    )
    dataset = open_dataset(NAME)
    assert is_plain(dataset)
    check_same(dataset)


def test_hdf5_forgets_episodes_that_were_read(monkeypatch):
    """Its descriptions of 150 episodes take more room than those of a few may."""
    write(NAME, [sway(seed, 2) for seed in range(150)])
    dataset, sizes = open_dataset(NAME), []
    opened = h5py.File

    def noted(*words):
        sizes.append(opened(*words))
        return sizes[-1]

    def room():
        episodes = read_episodes(dataset)
        for _ in range(149):
            next(episodes)
        return sizes.pop().id.get_mdc_size()[2]

    monkeypatch.setattr(stored_episodes.h5py, "File", noted)
    assert room() < 2 * stored_episodes.CACHE_BYTES
    monkeypatch.setattr(stored_episodes, "forget_groups", lambda file: None)
    assert room() > 2 * stored_episodes.CACHE_BYTES


def test_infos_are_not_read(monkeypatch):
    infos = {"qpos": np.zeros((5, 6)), "parts": {"forward": np.ones(5)}}
    write(NAME, [dataclasses.replace(sway(0, 4), infos=infos)])
    asked = []
    read = stored_episodes.read_array
    monkeypatch.setattr(
        stored_episodes,
        "read_array",
        lambda group, name: (asked.append(name), read(group, name))[1],
    )
    check_same(open_dataset(NAME))
    assert asked == list(FIELDS)


def test_a_compressed_file_is_read(folder):
    write(NAME, [sway(0, 40)])
    with h5py.File(folder / NAME / "data" / "main_data.hdf5", "a") as file:
        group = file["episode_0"]
        for name in FIELDS:
            values = group[name][:]
            del group[name]
            group.create_dataset(
                name, data=values, compression="gzip", shuffle=True, chunks=True
            )
    check_same(open_dataset(NAME))


def test_episodes_that_are_kept_are_read_in_their_order():
    write(NAME, [sway(0, n) for n in (2, 3, 4, 5)])
    kept = open_dataset(NAME).filter_episodes(lambda x: len(x.rewards) != 3)
    assert [len(x.rewards) for x in read_episodes(kept)] == [2, 4, 5]
    check_same(kept)


def test_dictionaries_images_and_other_formats_stay_minaris():
    vector, image = gymnasium.spaces.Box(0, 1, (3,)), gymnasium.spaces.Box(0, 1, (9, 9))

    def stand_in(space, storage="hdf5"):
        kind = types.SimpleNamespace(FORMAT=storage)
        return types.SimpleNamespace(
            storage=kind, observation_space=space, action_space=vector
        )

    assert is_plain(stand_in(vector))
    assert not is_plain(stand_in(vector, "arrow"))
    assert not is_plain(stand_in(image))
    assert not is_plain(stand_in(gymnasium.spaces.Dict({"a": vector})))


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("damage", ["scalar", "empty", "missing", "group"])
def test_what_is_no_array_is_refused_in_one_line(folder, field, damage):
    write(NAME, [sway(0, 3), sway(1, 3)])
    with h5py.File(folder / NAME / "data" / "main_data.hdf5", "a") as file:
        group = file["episode_1"]
        del group[field]
        if damage == "scalar":
            group[field] = 1.0
        elif damage == "empty":
            group[field] = h5py.Empty("f8")
        elif damage == "group":
            group.create_group(field)
    message = refusal(load_datasets, [NAME])
    assert message.startswith(f"dataset {NAME} cannot be read (")
    assert refusal(relabel_dataset, [NAME], "made/new-v0", HAZARD, 0) == message
    assert not (folder / "made/new-v0").exists()
