"""D4RL's ant mazes, kitchens and hands: files of their layout become episodes."""

import h5py
import numpy as np
import pytest

from ramac_jax.data.d4rl import FAMILIES, read_family
from tests import episodes

STEPS = 8


@pytest.fixture
def write(tmp_path):
    """Write a file with the arrays, infos and metadata of such files."""

    def write(family, terminals=(), timeouts=(), change=None):
        facts, count = FAMILIES[family], np.arange(STEPS, dtype=np.float32)
        size = facts.observation_dim
        arrays = {
            "observations": np.repeat(count[:, None], size, axis=1),
            "actions": np.full((STEPS, facts.action_dim), 0.5, np.float32),
            "rewards": 10 * count,
            "terminals": np.isin(np.arange(STEPS), terminals),
            "timeouts": np.isin(np.arange(STEPS), timeouts),
            "infos/goal": np.ones((STEPS, 2)),
            "infos/qpos": np.ones((STEPS, 15)),
            "metadata/algorithm": np.bytes_("BC"),
        } | (change or {})
        path = tmp_path / f"{family}.hdf5"
        with h5py.File(path, "w") as file:
            for name, value in arrays.items():
                if value is not None:
                    file[name] = value
        return path

    return write


def ends(data):
    """Of each episode: its first column, and the steps that are terminated."""
    return [
        (x.observations[:, 0].tolist(), np.flatnonzero(x.terminations).tolist())
        for x in data.episodes
    ]


def test_an_ant_maze_goes_on_at_the_goal(write):
    # Rows 1 and 2 are near the goal; the ant walks on until the time limit in row 4.
    data = read_family(write("antmaze", terminals=[1, 2], timeouts=[4]), "antmaze")
    assert ends(data) == [([0, 1, 2, 3, 4], [1, 2]), ([5, 6, 7], [])]
    assert (data.dropped, data.repeated) == (2, 0)
    np.testing.assert_array_equal(data.episodes[0].rewards, [0, 10, 20, 30])
    assert data.episodes[0].truncations.tolist() == [False] * 3 + [True]


def test_the_last_row_of_an_ant_maze_at_the_goal_is_kept(write):
    data = read_family(write("antmaze", terminals=[4], timeouts=[4]), "antmaze")
    assert ends(data)[0] == ([0, 1, 2, 3, 4, 4], [4])
    assert (data.dropped, data.repeated) == (1, 1)


@pytest.mark.parametrize("family", ["pen", "hammer", "door", "relocate"])
def test_a_hand_ends_at_its_time_limit(write, family):
    data = read_family(write(family, timeouts=[3, 7]), family)
    assert ends(data) == [([0, 1, 2, 3], []), ([4, 5, 6, 7], [])]
    assert data.episodes[0].actions.shape == (3, FAMILIES[family].action_dim)


def test_a_kitchen_needs_no_timeouts(write):
    path = write("kitchen", terminals=[3, 7], change={"timeouts": None})
    data = read_family(path, "kitchen")
    assert ends(data) == [([0, 1, 2, 3, 3], [3]), ([4, 5, 6, 7, 7], [3])]
    path = write("kitchen", change={"timeouts": None})
    message = episodes.refusal(read_family, path, "kitchen")
    assert "its flags mark no end of an episode" in message


def test_next_observations_are_read_where_they_are(write):
    following = np.repeat(np.arange(1.0, STEPS + 1)[:, None], 45, axis=1)
    following[3] = 100.0
    change = {"next_observations": following}
    data = read_family(write("pen", timeouts=[3], change=change), "pen")
    assert ends(data) == [([0, 1, 2, 3, 100], []), ([4, 5, 6, 7, 8], [])]


def test_unsound_files_are_refused(write):
    path = write("antmaze", change={"timeouts": None})
    assert "lacks arrays of numbers timeouts: give a D4RL file of antmaze" in (
        episodes.refusal(read_family, path, "antmaze")
    )
    path = write("door")
    assert "observations are 39 wide and pen's 45" in (
        episodes.refusal(read_family, path, "pen")
    )
    assert "unknown family of D4RL 'frog'" in (
        episodes.refusal(read_family, path, "frog")
    )
    wide = {"actions": np.full((STEPS, 28), 1.5)}
    path = write("door", timeouts=[7], change=wide)
    assert "actions is outside its space in 8 of 8 rows" in (
        episodes.refusal(read_family, path, "door")
    )
    clipping = read_family(path, "door", clip=True).clipping
    assert (clipping.steps, clipping.largest_excess) == (7, 0.5)
