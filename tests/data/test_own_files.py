"""A plain .npz or .hdf5 of one's own: its arrays, under any keys, become episodes."""

import gymnasium
import h5py
import numpy as np
import pytest

from ramac_jax.data.own_files import FileKeys, read_own_file
from tests import episodes

STEPS = 6
PLAIN = FileKeys(("observations",))


def contents():
    count = np.arange(STEPS, dtype=np.float64)
    return {
        "observations": np.stack([count, count + 1e6], axis=1),
        "actions": np.full((STEPS, 1), 0.5),
        "rewards": 10 * count,
        "terminals": np.arange(STEPS) == 2,
        "timeouts": np.arange(STEPS) == 4,
    }


@pytest.fixture(params=["npz", "hdf5"])
def write(request, tmp_path):
    def write(arrays):
        path = tmp_path / f"mine.{request.param}"
        if request.param == "npz":
            np.savez(path, **arrays)
        else:
            with h5py.File(path, "w") as file:
                for name, value in arrays.items():
                    file[name] = value
        return path

    return write


def test_an_own_file_becomes_episodes(write):
    converted, spaces = read_own_file(write(contents()), PLAIN)
    first, second = converted.episodes
    np.testing.assert_array_equal(first.observations[:, 0], [0, 1, 2, 2])
    np.testing.assert_array_equal(first.terminations, [False, False, True])
    np.testing.assert_array_equal(second.observations[:, 0], [3, 4])
    np.testing.assert_array_equal(second.rewards, [30])
    assert second.truncations.tolist() == [True]
    assert (converted.dropped, converted.repeated) == (2, 1)
    assert first.observations.dtype == spaces.observation.dtype == np.float64
    assert spaces.action == gymnasium.spaces.Box(-1.0, 1.0, (1,))


def test_arrays_have_any_keys_and_are_put_side_by_side(write):
    arrays = contents()
    place, speed = arrays.pop("observations").T
    renamed = {
        "place": place,
        "speed": speed[:, None],
        "u": arrays["actions"][:, 0],
        "r": arrays["rewards"][:, None],
        "done": arrays["terminals"].astype(np.int64),
        "following": place + 1,
        "following_speed": speed + 1,
    }
    keys = FileKeys(
        observations=("place", "speed"),
        actions=("u",),
        rewards="r",
        terminals="done",
        next_observations=("following", "following_speed"),
    )
    converted, spaces = read_own_file(write(renamed), keys)
    assert [len(x.rewards) for x in converted.episodes] == [3, 3]
    np.testing.assert_array_equal(
        converted.episodes[1].observations, [[x, x + 1e6] for x in (3, 4, 5, 6)]
    )
    assert converted.dropped == 0
    assert spaces.action.shape == (1,)


def test_bounds_of_actions_are_checked_or_clipped(write):
    arrays = contents() | {"actions": np.full((STEPS, 2), [0.5, 3.0])}
    path = write(arrays)
    message = episodes.refusal(read_own_file, path, PLAIN)
    assert "actions is outside its space in 6 of 6 rows" in message
    converted, _ = read_own_file(path, PLAIN, (-1.0, 1.0), clip=True)
    assert converted.clipping == (4, 2.0)  # of the steps kept
    assert converted.steps == 4
    assert converted.episodes[0].actions.max() == 1.0
    assert read_own_file(path, PLAIN, (0.0, 4.0)).converted.clipping.steps == 0
    message = episodes.refusal(read_own_file, path, PLAIN, (1.0, 1.0))
    assert "the actions' bounds are 1 and 1" in message


def test_flags_that_mark_no_end_need_next_observations(write):
    arrays = contents() | {"terminals": np.zeros(STEPS)}
    del arrays["timeouts"]
    message = episodes.refusal(read_own_file, write(arrays), PLAIN)
    assert "its flags mark no end of an episode: mark the last step" in message
    arrays["after"] = arrays["observations"] + 1
    arrays["after"][2] = -1.0  # the end of an episode shows here
    keys = PLAIN._replace(next_observations=("after",))
    converted, _ = read_own_file(write(arrays), keys)
    assert [len(x.rewards) for x in converted.episodes] == [3, 3]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda x: x.pop("rewards"), "lacks arrays of numbers rewards; it holds "),
        (
            lambda x: [x.pop("terminals"), x.pop("timeouts")],
            "does not say where its episodes end; it holds ",
        ),
        (
            lambda x: x.update(rewards=np.ones(3)),
            "arrays of different lengths (observations 6, ",
        ),
        (
            lambda x: x.update(observations=np.full((STEPS, 2), np.nan)),
            "observations is NaN or infinite in 6 of 6 rows",
        ),
        (
            lambda x: x.update(observations=np.ones((STEPS, 2, 2))),
            "observations has shape [6, 2, 2]: give 2 axes",
        ),
        (
            lambda x: x.update(terminals=np.full(STEPS, 0.5)),
            "terminals is not 0 or 1 in 6 of 6 rows",
        ),
    ],
)
def test_unsound_files_are_refused(write, change, fault):
    arrays = contents()
    change(arrays)
    path = write(arrays)
    message = episodes.refusal(read_own_file, path, PLAIN)
    assert message.startswith(str(path)) and fault in message


def test_damaged_and_absent_files_are_refused(write, tmp_path):
    path = write(contents())
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"nothing of the kind"):
        path.write_bytes(broken)
        assert "cannot be read" in episodes.refusal(read_own_file, path, PLAIN)
    absent = tmp_path / "absent.npz"
    assert "is no file" in episodes.refusal(read_own_file, absent, PLAIN)


def test_objects_and_single_arrays_are_no_arrays_of_steps(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, observations=np.array([{}], object), rewards=np.ones(1))
    message = episodes.refusal(read_own_file, path, PLAIN)
    assert "lacks arrays of numbers observations, actions; it holds rewards" in message
    with open(path, "wb") as file:
        np.save(file, np.ones(3))
    assert "it holds a single array" in episodes.refusal(read_own_file, path, PLAIN)
