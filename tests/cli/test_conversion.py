"""`ramac data convert` of D4RL's other files and of files of one's own."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ramac_jax.cli import data
from ramac_jax.cli.options.data import Convert
from ramac_jax.cli.runs import file_readers
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.local_datasets import open_dataset
from ramac_jax.data.relabel import read_record
from tests.cli.data_commands import refusal

pytestmark = pytest.mark.usefixtures("folder")
STEPS = 20


@pytest.fixture
def mine(tmp_path):
    """A file of one's own, of MountainCarContinuous, with actions up to 1.5."""
    draw = np.random.default_rng(0)
    path = tmp_path / "mine.npz"
    np.savez(
        path,
        obs=draw.normal(size=(STEPS, 2)),
        act=np.linspace(-1.5, 1.0, STEPS)[:, None],
        reward=np.arange(STEPS),
        timeouts=np.arange(STEPS) % 10 == 9,
    )
    return path


KEYS = ["--observations", "obs", "--actions", "act", "--rewards", "reward"]


def test_an_own_file_becomes_a_dataset_that_is_trained_on(mine, capsys, folder):
    argv = [mine, *KEYS, "--id", "mine/cart-v0"]
    assert "actions is outside its space in 4 of 20" in refusal(
        capsys, folder, "convert", *argv
    )
    argv += ["--clip-actions", "--env", "MountainCarContinuous-v0"]
    data.main(["convert", *map(str, argv)])
    noted = capsys.readouterr().err
    assert "the actions of 4 of 18 steps clipped to their bounds" in noted
    assert "exceeded by up to 0.5" in noted
    loaded = load_datasets(["mine/cart-v0"])
    assert loaded.env_spec.id == "MountainCarContinuous-v0"
    assert loaded.transitions.action.shape == (18, 1)
    assert loaded.transitions.terminated.sum() == 0
    record = read_record("mine/cart-v0")
    assert (record["clipped_steps"], record["largest_excess"]) == (4, 0.5)
    assert record["keys"]["observations"] == ["obs"]
    assert record["file"] == "mine.npz"


def test_what_an_own_file_lacks_is_named(mine, capsys, folder):
    assert "a file of your own needs a name for its data: give --id" in (
        refusal(capsys, folder, "convert", mine, *KEYS)
    )
    name = ["--id", "mine/cart-v0"]
    line = refusal(capsys, folder, "convert", mine, "--observations", "state", *name)
    assert "lacks arrays of numbers state, actions, rewards; it holds obs, " in line
    argv = ["convert", mine, *KEYS, *name, "--env"]
    line = refusal(capsys, folder, *argv, "Pendulum-v1", "--clip-actions")
    assert "the data have observations of 2 numbers and Pendulum-v1 Box" in line
    line = refusal(capsys, folder, *argv, "Nowhere-v0")
    assert "unknown environment 'Nowhere-v0'" in line
    line = refusal(capsys, folder, *argv, "CartPole-v1")
    assert "CartPole-v1 has actions Discrete(2): an agent needs a flat Box" in line


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (
            "x.npz --id a/b-v0 --observations obs --robot Nope --ogbench-task 77",
            "x.npz is read as a file of your own, without --robot, --ogbench-task: ",
        ),
        (
            "x.npz --id a/b-v0 --observations obs --env CartPole-v1 --action-low -2",
            "a file of your own, without --action-low: ",
        ),
        (
            "pen-human-v1.hdf5 --robot-version 5 --ogbench-task 9 --env Hopper-v5",
            "D4RL's data of pen, without --robot-version, --ogbench-task, --env: ",
        ),
        (
            "hopper_medium-v2.hdf5 --robot-version 5 --ogbench-task 2",
            "D4RL's data of Hopper, without --ogbench-task: ",
        ),
        (
            "scene-play-v0.npz --robot Hopper --actions act",
            "a file of OGBench, without --robot, --actions: ",
        ),
    ],
)
def test_options_of_another_reader_are_refused(argv, words, capsys, folder):
    assert words in refusal(capsys, folder, "convert", *argv.split())


def test_a_name_like_ogbenchs_is_of_ones_own(capsys, folder):
    line = refusal(capsys, folder, "convert", "my-data-v0.npz", "--id", "mine/c-v0")
    assert "or for a file of your own --observations" in line


@pytest.mark.parametrize(
    ("name", "robot", "dataset_id"),
    [
        ("antmaze-umaze-v2.hdf5", "antmaze", "d4rl/antmaze/umaze-v2"),
        ("pen-human-v1.hdf5", "pen", "d4rl/pen/human-v1"),
        (
            "kitchen_microwave+kettle+light+slider-v0.hdf5",
            "kitchen",
            "d4rl/kitchen/microwave-kettle-light-slider-v0",
        ),
    ],
)
def test_the_name_of_a_file_determines_family_and_id(name, robot, dataset_id):
    got = file_readers.name_conversion(Convert(Path("folder") / name))
    assert got == (robot, dataset_id)


@pytest.mark.parametrize(
    ("name", "robot"),
    [
        ("Ant_maze_u-maze_noisy_multistart_False_sparse_fixed.hdf5", "antmaze"),
        ("mini_kitchen_microwave_kettle_light_slider-v0.hdf5", "kitchen"),
        ("door-v0_demos_clipped.hdf5", "door"),
    ],
)
def test_other_names_of_d4rl_determine_the_family(name, robot, capsys, folder):
    options = Convert(Path(name), id="d4rl/any/thing-v0")
    assert file_readers.name_conversion(options)[0] == robot
    assert "give --id, or" in refusal(capsys, folder, "convert", name)


def test_a_file_of_an_ant_maze_becomes_a_dataset(tmp_path, capsys):
    flags = {
        "terminals": np.isin(np.arange(STEPS), [5, 6]),
        "timeouts": np.isin(np.arange(STEPS), [9, 19]),
    }
    path = tmp_path / "antmaze-umaze-v2.hdf5"
    with h5py.File(path, "w") as file:
        file["observations"] = np.random.default_rng(0).normal(size=(STEPS, 29))
        file["actions"] = np.zeros((STEPS, 8))
        file["rewards"] = flags["terminals"].astype(float)
        file["infos/goal"] = np.ones((STEPS, 2))
        for name, value in flags.items():
            file[name] = value
    data.main(["convert", str(path)])
    assert "2 last steps of truncated episodes dropped" in capsys.readouterr().err
    name = "d4rl/antmaze/umaze-v2"
    loaded = load_datasets([name])
    np.testing.assert_array_equal(np.flatnonzero(loaded.transitions.terminated), [5, 6])
    assert (loaded.sources[0].episodes, loaded.env_spec) == (2, None)
    metadata = open_dataset(name).storage.metadata
    assert (metadata["ref_min_score"], metadata["ref_max_score"]) == (0.0, 1.0)
