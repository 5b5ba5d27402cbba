"""The command `ramac data`: its datasets, and that bad input writes nothing."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import h5py
import numpy as np
import pytest
from minari.data_collector.episode_buffer import EpisodeBuffer

from ramac_jax import InputError
from ramac_jax.cli import data
from ramac_jax.cli.options.data import Convert, HazardOptions
from ramac_jax.cli.options.dataset import DatasetSpec
from ramac_jax.cli.runs import data as run_data
from ramac_jax.cli.runs import file_readers
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.relabel import read_record
from ramac_jax.tasks import Hazard
from tests import episodes
from tests.cli.data_commands import refusal

pytestmark = pytest.mark.usefixtures("folder")
STEPS = 30
SOURCE, TARGET = "made/hopper/plain-v0", "stochastic/hopper/medium-expert-v0"
RELABEL = ["relabel", "--task", "hopper-medium-expert", "--source"]
OWN = "--low -9 --high 9 --probability .5 --penalty -1 --id made/own-v0".split() + [
    "--quantity",
    "torso angle",
]


def episode(width=11, size=3):
    rng = np.random.default_rng(0)
    return EpisodeBuffer(
        observations=rng.normal(0.0, 0.1, (STEPS + 1, width)),
        actions=np.zeros((STEPS, size), np.float32),
        rewards=np.ones(STEPS),
        terminations=np.zeros(STEPS, bool),
        truncations=np.arange(STEPS) == STEPS - 1,
    )


def make(name=SOURCE, robot="Hopper-v5", made=None, **spaces):
    return episodes.write(name, [made or episode()], robot, **spaces)


def write_d4rl(path, **changes):
    observations = np.random.default_rng(0).normal(0, 0.1, (STEPS + 1, 11))
    flags = np.arange(STEPS) % 10 == 9
    arrays = {
        "observations": observations[:-1],
        "next_observations": observations[1:],
        "actions": np.zeros((STEPS, 3)),
        "rewards": np.ones(STEPS),
        "terminals": flags,
        "timeouts": np.zeros(STEPS, bool),
    } | changes
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            if value is not None:
                file[name] = np.asarray(value)
    return path


@pytest.fixture
def file(tmp_path):
    return write_d4rl(tmp_path / "hopper_medium_replay-v2.hdf5")


def test_a_file_becomes_a_dataset_and_then_a_stochastic_one(file, capsys):
    data.main(["convert", str(file)])
    name = "d4rl/hopper/medium-replay-v2"
    assert name in capsys.readouterr().out
    loaded = load_datasets([name])
    assert loaded.env_spec.id == "Hopper-v4"
    assert (loaded.sources[0].episodes, loaded.sources[0].steps) == (3, STEPS)
    assert loaded.transitions.terminated.sum() == 3
    assert read_record(name)["file"] == file.name
    data.main([*RELABEL, name, "--seed", "3"])
    printed = capsys.readouterr().out
    for word in (TARGET, "episodes", "steps", "risky", "charged", "mean reward before"):
        assert word in printed
    assert read_record(TARGET)["seed"] == 3
    assert load_datasets([TARGET]).env_spec.id == "ramac_jax/hopper-medium-expert-v4"


def test_conversion_warns_of_dropped_repeated_and_cut_steps(tmp_path, capsys):
    timeouts = np.arange(STEPS) == 4
    bare = write_d4rl(tmp_path / "any.h5", next_observations=None, timeouts=timeouts)
    data.main(["convert", str(bare), "--robot", "Hopper", "--id", "made/any-v0"])
    warnings = capsys.readouterr().err
    assert "1 last steps of truncated episodes dropped" in warnings
    assert "3 terminated steps are followed by their own observation" in warnings
    with h5py.File(write_d4rl(tmp_path / "jump.h5"), "a") as changed:
        changed["next_observations"][5] = 7.0
    jump = tmp_path / "jump.h5"
    data.main(["convert", str(jump), "--robot", "Hopper", "--id", "made/jump-v0"])
    warnings = capsys.readouterr().err
    assert "warning: 1 episodes cut short, as truncated" in warnings
    assert "not the next row's in 3.7% of the rows inside episodes" in warnings
    assert load_datasets(["made/jump-v0"]).sources[0].episodes == 4


@pytest.mark.parametrize(
    ("name", "robot", "dataset_id"),
    [
        ("hopper_medium_replay-v2.hdf5", "Hopper", "d4rl/hopper/medium-replay-v2"),
        ("halfcheetah_random-v0.hdf5", "HalfCheetah", "d4rl/halfcheetah/random-v0"),
        ("walker2d-medium-v2.hdf5", "Walker2d", "d4rl/walker2d/medium-v2"),
    ],
)
def test_the_name_of_a_d4rl_file_determines_robot_and_id(name, robot, dataset_id):
    got = file_readers.name_conversion(Convert(Path("folder") / name))
    assert got == (robot, dataset_id)


def test_options_replace_fields_of_the_hazard_of_a_task(capsys):
    make()
    argv = [*RELABEL, SOURCE, "--id", "made/mild-v0", "--penalty", "-5", "--low=-inf"]
    data.main(argv)
    hazard = read_record("made/mild-v0")["hazard"]
    assert (hazard["penalty"], hazard["low"], hazard["high"]) == (-5.0, None, 0.04)


@pytest.mark.parametrize(
    ("bounds", "often", "share"),
    [(("-9", "9"), "never", 0), (("8", "9"), "always", 1)],
)
def test_a_hazard_that_fires_always_or_never_is_warned_of(capsys, bounds, often, share):
    make()
    own = [*OWN, "--low", bounds[0], "--high", bounds[1]]
    data.main(["relabel", "--source", SOURCE, *own])
    warning = capsys.readouterr().err
    assert f"the hazard {often} fires: a share of {share} of the steps" in warning
    assert warning.count("\n") == 1
    record = read_record("made/own-v0")
    assert (record["task"], record["hazard"]["coordinate"]) == (None, 1)


def test_the_robot_determines_the_coordinate_of_a_quantity():
    make()
    fast = ["--quantity", "x velocity", "--id", "made/fast-v0"]
    data.main([*RELABEL, SOURCE, *fast])
    assert read_record("made/fast-v0")["hazard"]["coordinate"] == 5


def test_your_own_hazard_takes_the_version_of_the_robot():
    make()
    data.main(["relabel", "--source", SOURCE, *OWN, "--robot-version", "4"])
    assert load_datasets(["made/own-v0"]).env_spec.id == "Hopper-v4"


def find_or_make(task, sources, seed):
    """Return the id that `ramac train` trains on, made where it is missing."""
    spec = DatasetSpec(task=task, dataset=tuple(sources), data_seed=seed)
    (found,) = run_data.find_or_make(spec)
    return found


def test_a_dataset_of_the_task_is_used_without_relabelling():
    make()
    task, mine = "hopper-medium-expert", "made/mine-v0"
    data.main([*RELABEL, SOURCE, "--seed", "3", "--id", mine])
    assert find_or_make(task, [mine], seed=0) == mine
    data.main([*RELABEL, SOURCE])  # the task's own place does not matter
    assert find_or_make(task, [mine], seed=0) == mine
    assert find_or_make(task, [TARGET], seed=0) == TARGET
    assert find_or_make(task, [SOURCE], seed=0) == TARGET
    with pytest.raises(InputError, match="was made with sources"):
        find_or_make(task, [mine, mine], seed=0)
    older = "hopper-medium-expert-older"
    with pytest.raises(InputError, match="is charged by a hazard already"):
        find_or_make(older, [mine], seed=0)
    data.main([*RELABEL, SOURCE, "--id", "made/mild-v0", "--penalty", "-5"])
    with pytest.raises(InputError, match="was made with sources"):
        find_or_make(task, ["made/mild-v0"], seed=0)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"rewards": None, "terminals": None}, "lacks arrays of numbers rewards, term"),
        ({"rewards": np.full(STEPS, np.nan)}, "rewards is NaN or infinite in 30 of 30"),
        ({"rewards": np.ones(3)}, "arrays of different lengths"),
        ({"actions": np.full((STEPS, 3), 1.5)}, "actions is outside its space"),
        ({"actions": np.zeros((STEPS, 6))}, "actions are 6 wide and Hopper's 3"),
        ({"observations": np.zeros((STEPS, 17))}, "observations are 17 wide"),
        (
            {"next_observations": np.zeros((STEPS, 11))},
            "in 100.0% of the rows inside episodes",
        ),
    ],
)
def test_unsound_files_are_refused(capsys, folder, file, change, fault):
    write_d4rl(file, **change)
    assert fault in refusal(capsys, folder, "convert", file)


def test_bad_options_of_a_conversion_are_refused(capsys, folder, file, tmp_path):
    whole = file.read_bytes()
    data.main(["convert", str(file)])
    assert "is there already" in refusal(capsys, folder, "convert", file)
    argv = ["convert", file, "--robot", "nowhere:Hopper", "--id", "made/any-v0"]
    assert "there is no robot 'nowhere:Hopper'" in refusal(capsys, folder, *argv)
    for broken in (whole[: len(whole) // 2], b"corrupt"):
        file.write_bytes(broken)
        argv = ["convert", file, "--id", "made/torn-v0"]
        assert "cannot be read" in refusal(capsys, folder, *argv)
    absent = tmp_path / "hopper_absent-v2.hdf5"
    assert "is no file" in refusal(capsys, folder, "convert", absent)
    other = tmp_path / "mine.hdf5"
    assert "give --robot and --id" in refusal(capsys, folder, "convert", other)
    argv = ["convert", file, "--robot-version", 3]
    assert "give 4 or 5" in refusal(capsys, folder, *argv)
    argv = ["convert", file, "--id", "no version"]
    assert "is no Minari id" in refusal(capsys, folder, *argv)


def test_unsound_sources_are_refused(capsys, folder, monkeypatch):
    cart = episode(2, 1)
    make("made/cart-v0", "MountainCarContinuous-v0", cart)
    make("made/wide-v0", action_space=gym.spaces.Box(-2.0, 2.0, (3,)))
    bad = episode()
    bad.rewards[4] = np.nan
    make("made/nan-v0", made=bad)
    empty = make("made/empty-v0")
    with h5py.File(folder / empty / "data/main_data.hdf5", "a") as file:
        for name in ("rewards", "terminations", "truncations", "actions"):
            file["episode_0"][name].resize(0, axis=0)
    torn = folder / make("made/torn-v0") / "data/main_data.hdf5"
    torn.write_bytes(torn.read_bytes()[:999])
    faults = {
        "made/cart-v0": "is of MountainCarContinuous-v0: give one of Hopper",
        "made/wide-v0": "the action spaces must agree",
        "made/nan-v0": "episode 0: reward is NaN or infinite in 1 of 30 rows",
        "made/empty-v0": "episode 0: it has no step",
        "made/torn-v0": "dataset made/torn-v0 cannot be read",
    }
    for name, fault in faults.items():
        assert fault in refusal(capsys, folder, *RELABEL, name)
    own = ["relabel", "--source", "made/cart-v0", *OWN]
    fast = ["--quantity", "x velocity"]
    assert "there is no 8, the x velocity of the hazard" in (
        refusal(capsys, folder, *own, *fast, "--coordinate", 8)
    )
    assert "MountainCarContinuous-v0 is not known here: give the hazard's coord" in (
        refusal(capsys, folder, *own, *fast)
    )
    data.main([*RELABEL, make()])
    assert "is there already" in refusal(capsys, folder, *RELABEL, SOURCE)
    assert "charged by a hazard already" in refusal(
        capsys, folder, *RELABEL, TARGET, "--id", "made/twice-v0"
    )


def test_bad_options_of_a_relabelling_are_refused(capsys, folder):
    make()
    source = ["relabel", "--source", SOURCE]
    assert "without a --task, give --quantity, --low, --high, --probability, " in (
        refusal(capsys, folder, *source)
    )
    assert "the x velocity of Hopper-v5 is coordinate 5: give that" in refusal(
        capsys, folder, *source, *OWN, "--quantity", "x velocity", "--coordinate", 8
    )
    assert "unknown quantity 'speed'" in (
        refusal(capsys, folder, *source, *OWN, "--quantity", "speed")
    )
    assert "is no Minari id" in (
        refusal(capsys, folder, "relabel", "--source", f"../datasets/{SOURCE}", *OWN)
    )
    assert "Hopper-v5 has no version 9" in (
        refusal(capsys, folder, *source, *OWN, "--robot-version", 9)
    )
    assert "give --id" in refusal(capsys, folder, *RELABEL, SOURCE, "--penalty", -5)
    assert "did you mean hopper-medium-expert" in (
        refusal(capsys, folder, *source, "--task", "hopper-medium-exprt")
    )
    assert "--task determines --robot" in (
        refusal(capsys, folder, *RELABEL, SOURCE, "--robot", "Hopper")
    )
    assert "probability of the hazard is 2" in (
        refusal(capsys, folder, *source, *OWN, "--probability", 2)
    )


def test_the_command_itself_exits_with_status_2(folder):
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "ramac_jax",
            "data",
            "convert",
            "hopper_absent-v2.hdf5",
        ],
        capture_output=True,
        text=True,
        cwd=Path(data.__file__).parents[2],
        env=os.environ,
        timeout=120,
    )
    assert run.returncode == 2, run.stderr
    assert run.stderr.startswith("error: ") and run.stderr.count("\n") == 1
    assert not list(folder.iterdir())


def test_every_field_of_a_hazard_is_an_option():
    options = [field.name for field in dataclasses.fields(HazardOptions)]
    assert options == list(Hazard._fields)


def test_actions_of_the_sources_are_clipped_on_request(capsys, folder):
    wide = episode()
    wide.actions[3, 0] = 1.75
    make(made=wide)
    argv = [*RELABEL, SOURCE]
    assert "action is outside its space in 1 of" in refusal(capsys, folder, *argv)
    data.main([*argv, "--clip-actions"])
    assert "exceeded by up to 0.75" in capsys.readouterr().err
    (source,) = read_record(TARGET)["sources"]
    assert (source["clipped_steps"], source["largest_excess"]) == (1, 0.75)
    assert load_datasets([TARGET]).sources[0].clipped_steps == 0
