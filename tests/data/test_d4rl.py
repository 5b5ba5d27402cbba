"""D4RL files: exact ends with and without next observations, and what is refused."""

import hashlib

import h5py
import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.data.d4rl import read_d4rl
from ramac_jax.data.step_files import checksum

STEPS = 6


def contents(terminal=(), timeout=(), following=True, steps=STEPS):
    """A Hopper file: observations 0, 1, 2, ..., rewards ten times that."""
    count = np.arange(steps, dtype=np.float32)
    flags = {
        name: np.isin(np.arange(steps), rows)
        for name, rows in (("terminals", terminal), ("timeouts", timeout))
    }
    observations = np.repeat(count[:, None], 11, axis=1)
    made = {
        "observations": observations,
        "actions": np.full((steps, 3), 0.5, np.float32),
        "rewards": 10 * count,
        **flags,
    }
    return made | ({"next_observations": observations + 1} if following else {})


@pytest.fixture
def write(tmp_path):
    def write(arrays):
        path = tmp_path / "hopper_medium-v2.hdf5"
        with h5py.File(path, "w") as file:
            for name, value in arrays.items():
                file[name] = value
        return path

    return write


def summary(data):
    """Of each episode: its observations' first column, and how it ended."""
    for x in data.episodes:
        steps = len(x.rewards)
        assert len(x.observations) == steps + 1
        assert len(x.actions) == len(x.terminations) == len(x.truncations) == steps
        assert not (x.terminations[:-1].any() or x.truncations[:-1].any())
    return [
        (
            x.observations[:, 0].tolist(),
            bool(x.terminations[-1]),
            bool(x.truncations[-1]),
        )
        for x in data.episodes
    ]


def counts(data):
    return data.steps, data.splits, data.dropped, data.repeated


def test_every_step_keeps_its_true_next_observation(write):
    arrays = contents(terminal=[1], timeout=[3])
    arrays["next_observations"][[1, 3]] = [[100.0], [200.0]]  # before a reset
    path = write(arrays)
    data = read_d4rl(path, "Hopper")
    assert summary(data) == [
        ([0, 1, 100], True, False),
        ([2, 3, 200], False, True),
        ([4, 5, 6], False, True),  # the file ends: truncated
    ]
    assert counts(data) == (6, 0, 0, 0)
    assert checksum(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    np.testing.assert_array_equal(data.episodes[1].rewards, [20, 30])
    assert {data.episodes[0].observations.dtype, data.episodes[0].rewards.dtype} == {
        np.dtype(np.float32)
    }


def test_without_next_observations_the_unknown_is_dropped_or_repeated(write):
    arrays = contents(terminal=[1], timeout=[3], following=False)
    data = read_d4rl(write(arrays), "Hopper")
    assert summary(data) == [
        ([0, 1, 1], True, False),
        ([2, 3], False, True),
        ([4, 5], False, True),
    ]
    assert counts(data) == (4, 0, 2, 1)


def test_an_episode_of_one_unfinished_step_leaves_nothing(write):
    arrays = contents(terminal=[4], timeout=[0], following=False)
    data = read_d4rl(write(arrays), "Hopper")
    assert summary(data) == [([1, 2, 3, 4, 4], True, False)]
    assert counts(data) == (4, 0, 2, 1)
    with pytest.raises(InputError, match="no step has an observation after it"):
        read_d4rl(write(contents(timeout=range(6), following=False)), "Hopper")


def test_a_jump_inside_an_episode_cuts_it(write):
    arrays = contents(terminal=[5])
    arrays["next_observations"][2, 4] += 0.5
    data = read_d4rl(write(arrays), "Hopper")
    assert summary(data) == [([0, 1, 2, 3], False, True), ([3, 4, 5, 6], True, False)]
    assert data.episodes[0].observations[3, 4] == 3.5
    assert counts(data) == (6, 1, 0, 0)


@pytest.mark.parametrize("change", [lambda x: x / 2, lambda x: np.roll(x, 1, axis=0)])
def test_next_observations_of_another_scale_or_row_are_refused(write, change):
    arrays = contents(terminal=[2])
    arrays["next_observations"] = change(arrays["next_observations"])
    with pytest.raises(InputError, match="is shifted or normalized") as refused:
        read_d4rl(write(arrays), "Hopper")
    assert "in 100.0% of the rows inside episodes" in str(refused.value)


def test_at_most_half_of_the_rows_inside_episodes_may_be_ends(write):
    arrays = contents(timeout=[2])  # rows 0, 1, 3 and 4 are inside
    arrays["next_observations"][[0, 3]] += 0.5
    data = read_d4rl(write(arrays), "Hopper")
    assert (data.splits, data.split_share) == (2, 0.5)
    arrays["next_observations"][1] += 0.5
    with pytest.raises(InputError, match="in 75.0% of the rows inside episodes"):
        read_d4rl(write(arrays), "Hopper")


def test_a_step_with_both_flags_is_terminated(write):
    data = read_d4rl(write(contents(terminal=[5], timeout=[5])), "Hopper")
    assert summary(data) == [([0, 1, 2, 3, 4, 5, 6], True, False)]


def with_value(name, row, value):
    def change(arrays):
        arrays[name] = np.array(arrays[name], np.float64)
        arrays[name][row] = value

    return change


def without(*names):
    def change(arrays):
        for name in names:
            del arrays[name]

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (without("rewards", "timeouts"), "lacks arrays of numbers rewards, timeouts"),
        (lambda x: x.update(rewards=b"no numbers"), "lacks arrays of numbers rewards"),
        (
            lambda x: x.update(rewards=x["rewards"][:-1]),
            "arrays of different lengths (observations 6, actions 6, rewards 5, ",
        ),
        (
            lambda x: x.update(rewards=np.zeros((6, 1))),
            "rewards has shape [6, 1]: give",
        ),
        (lambda x: x.update(rewards=1.0), "rewards has shape []: give 1 axes"),
        (
            lambda x: x.update({k: v[:0] for k, v in x.items()}),
            "there is no step in it",
        ),
        (
            lambda x: x.update(observations=np.zeros((6, 17))),
            "observations are 17 wide and Hopper's 11",
        ),
        (
            lambda x: x.update(next_observations=np.zeros((6, 12))),
            "next_observations are 12 wide and Hopper's 11",
        ),
        (
            lambda x: x.update(actions=np.zeros((6, 6))),
            "actions are 6 wide and Hopper's",
        ),
        (
            with_value("observations", 2, np.nan),
            "observations is NaN or infinite in 1 of 6 rows, the first is row 2",
        ),
        (with_value("rewards", 4, np.inf), "rewards is NaN or infinite in 1 of 6"),
        (with_value("rewards", 4, 1e39), "rewards is NaN or infinite in 1 of 6"),
        (with_value("next_observations", 1, np.nan), "next_observations is NaN"),
        (with_value("terminals", 3, 0.5), "terminals is not 0 or 1 in 1 of 6 rows"),
        (
            with_value("actions", 5, 1.001),
            "actions is outside its space in 1 of 6 rows, the first is row 5",
        ),
    ],
)
def test_unsound_files_are_refused(write, change, fault):
    arrays = contents()
    change(arrays)
    path = write(arrays)
    with pytest.raises(InputError) as refused:
        read_d4rl(path, "Hopper")
    message = str(refused.value)
    assert message.startswith(str(path)) and fault in message and "\n" not in message


def test_an_action_beyond_its_bound_by_rounding_is_accepted(write):
    arrays = contents()
    arrays["actions"][0, 0] = 1.0 + 1e-6
    assert read_d4rl(write(arrays), "Hopper").steps == 6


def test_absent_and_damaged_files_are_refused(write, tmp_path):
    with pytest.raises(InputError, match="is no file: give an HDF5 file or an .npz"):
        read_d4rl(tmp_path / "absent.hdf5", "Hopper")
    path = write(contents())
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"no HDF5 at all", b""):
        path.write_bytes(broken)
        with pytest.raises(
            InputError, match="cannot be read .*download it again"
        ) as error:
            read_d4rl(path, "Hopper")
        assert "\n" not in str(error.value)


def test_another_or_an_unknown_robot_is_refused(write):
    with pytest.raises(
        InputError, match="observations are 11 wide and HalfCheetah's 17"
    ):
        read_d4rl(write(contents()), "HalfCheetah")
    for robot in ("Frog", "nowhere:Hopper", ":Hopper", "a:b:Hopper"):
        with pytest.raises(InputError, match=f"there is no robot '{robot}'"):
            read_d4rl(write(contents()), robot)
