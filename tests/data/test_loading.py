"""Minari datasets: hand-made episodes become transitions; unsound ones are refused."""

import dataclasses
import json
import logging

import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from ramac_jax import normalization as scaling
from ramac_jax.data import loading as datasets
from ramac_jax.data.writing import write_dataset
from tests import episodes

OBSERVATIONS = gym.spaces.Box(-np.inf, np.inf, (2,))
ACTIONS = gym.spaces.Box(np.array([-2.0, 0.0], np.float32), np.float32([2.0, 10.0]))


def episode(first, actions, terminated=False, width=2):
    """Observations first, first + 1, ... in every column; rewards ten times that."""
    steps = len(actions)
    count = np.arange(steps + 1, dtype=np.float64) + first
    ending = np.arange(steps) == steps - 1
    return EpisodeBuffer(
        observations=np.repeat(count[:, None], width, axis=1),
        actions=np.asarray(actions, np.float32),
        rewards=10.0 * count[:-1],
        terminations=ending & terminated,
        truncations=ending & (not terminated),
    )


FALLING = episode(0, [[-2, 0], [0, 5], [2, 10]], terminated=True)
CUT_SHORT = episode(100, [[1, 2.5], [-1, 7.5]])

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari")


def make(name, episodes, observations=OBSERVATIONS, actions=ACTIONS, **options):
    minari.create_dataset_from_buffers(
        name, episodes, observation_space=observations, action_space=actions, **options
    )
    return name


def test_two_episodes_become_transitions():
    name = make("made/two-v0", [FALLING, CUT_SHORT])
    data = datasets.load_datasets([name])
    got = data.transitions
    # The truncated end has its true next observation, and is not terminated.
    np.testing.assert_array_equal(got.observation[:, 0], [0, 1, 2, 100, 101])
    np.testing.assert_array_equal(got.next_observation[:, 1], [1, 2, 3, 101, 102])
    np.testing.assert_array_equal(got.terminated, [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(got.reward, [0, 10, 20, 1000, 1010])
    # [-2, 2] and [0, 10] -> [-1, 1].
    np.testing.assert_allclose(
        got.action, [[-1, -1], [0, 0], [1, 1], [0.5, -0.5], [-0.5, 0.5]], atol=1e-7
    )
    assert {x.dtype.name for x in got} == {"float32"}
    assert data.env_spec is None
    source = data.sources[0]
    assert (source.id, source.env_id) == (name, None)
    assert (source.episodes, source.steps) == (2, 5)


def test_actions_go_to_the_agent_and_back():
    data = datasets.load_datasets([make("made/two-v0", [FALLING])])
    raw = np.float32([[-2, 0], [1, 2.5], [2, 10]])
    scaled = scaling.scale_action(data.scaling, raw)
    np.testing.assert_allclose(scaled, [[-1, -1], [0.5, -0.5], [1, 1]], atol=1e-7)
    np.testing.assert_allclose(
        scaling.unscale_action(data.scaling, scaled), raw, atol=1e-6
    )


def test_observations_change_only_where_they_are_normalized():
    name = make("made/two-v0", [FALLING])
    plain = datasets.load_datasets([name])
    np.testing.assert_array_equal(plain.scaling.observation_mean, [0, 0])
    np.testing.assert_array_equal(plain.scaling.observation_std, [1, 1])
    scaled = datasets.load_datasets([name], normalize=True)
    # Observations 0, 1, 2: mean 1, deviation sqrt(2/3); the next go on to 3.
    std = np.sqrt(2 / 3)
    np.testing.assert_allclose(scaled.scaling.observation_mean, [1, 1], rtol=1e-6)
    np.testing.assert_allclose(scaled.scaling.observation_std, [std, std], rtol=1e-6)
    np.testing.assert_allclose(
        scaled.transitions.observation[:, 0], [-1 / std, 0, 1 / std], atol=1e-6
    )
    np.testing.assert_allclose(
        scaled.transitions.next_observation[:, 0], [0, 1 / std, 2 / std], atol=1e-6
    )
    assert scaled.sources == plain.sources  # the hash is of the data as they are


def test_a_constant_coordinate_is_not_amplified():
    observations = np.array([[0, 7.0], [1, 7.0], [2, 7.0], [3, 7.0]])
    constant = dataclasses.replace(FALLING, observations=observations)
    data = datasets.load_datasets([make("made/still-v0", [constant])], normalize=True)
    assert data.scaling.observation_std[1] == np.float32(datasets.STD_FLOOR)
    np.testing.assert_array_equal(data.transitions.observation[:, 1], 0.0)


def test_datasets_are_joined_in_the_order_given():
    one = make("made/one-v0", [FALLING])
    two = make("made/two-v0", [CUT_SHORT])
    forth = datasets.load_datasets([one, two])
    back = datasets.load_datasets([two, one])
    np.testing.assert_array_equal(forth.transitions.reward, [0, 10, 20, 1000, 1010])
    np.testing.assert_array_equal(back.transitions.reward, [1000, 1010, 0, 10, 20])
    assert [x.id for x in back.sources] == [two, one]
    assert forth.sources == back.sources[::-1]  # each with its own size and hash
    assert forth.sources[0].sha256 != forth.sources[1].sha256


def refusal(*names, **options):
    return episodes.refusal(datasets.load_datasets, names, **options)


def test_at_least_one_dataset_must_be_named():
    assert "no dataset is named" in refusal()


def test_an_unknown_id_names_the_nearest_first(monkeypatch):
    def unreachable(dataset_id):
        raise OSError("no network\nand more")

    monkeypatch.setenv("MINARI_REMOTE", "gcp://a-bucket")
    monkeypatch.setattr("minari.storage.hosting.download_dataset", unreachable)
    make("other/walker-v0", [FALLING])
    make("made/hopper-v0", [FALLING])
    message = refusal("made/hoper-v0")
    assert (
        "'made/hoper-v0' is not here and cannot be downloaded (no network)" in message
    )
    assert message.endswith(
        "(RAMAC_JAX_DATASETS_PATH and MINARI_DATASETS_PATH say where to look)"
    )
    assert "datasets here: made/hopper-v0, other/walker-v0" in message


@pytest.mark.parametrize(
    ("actions", "data", "fault"),
    [
        (gym.spaces.Discrete(4), [0, 1], "actions Discrete(4): an agent needs a flat"),
        (
            gym.spaces.Box(-1, 1, (2, 1)),
            np.zeros((2, 2, 1)),
            "actions Box(-1.0, 1.0, (2, 1)",
        ),
        (gym.spaces.Box(-1, np.inf, (1,)), [[0], [1]], "every bound must be finite"),
        (gym.spaces.Box(0, 9, (1,), np.int64), [[0], [1]], "a flat, continuous Box"),
    ],
)
def test_actions_must_be_a_flat_continuous_box(actions, data, fault):
    make("made/bad-v0", [episode(0, data)], actions=actions)
    message = refusal("made/bad-v0")
    assert message.startswith("dataset made/bad-v0 has actions ")
    assert fault in message


def test_observations_must_be_flat():
    space = gym.spaces.Box(-1, 1, (2, 3))
    made = dataclasses.replace(episode(0, [[0, 0]]), observations=np.zeros((2, 2, 3)))
    make("made/image-v0", [made], observations=space)
    assert "has observations Box(-1.0, 1.0, (2, 3)" in refusal("made/image-v0")


def test_datasets_to_join_must_have_the_same_spaces():
    one = make("made/one-v0", [FALLING])
    wide = make(
        "made/wide-v0",
        [episode(0, [[0, 0]], width=3)],
        observations=gym.spaces.Box(-np.inf, np.inf, (3,)),
    )
    message = refusal(one, wide)
    assert message.startswith(
        "dataset made/wide-v0 has observations Box(-inf, inf, (3,)"
    )
    assert "made/one-v0 has Box(-inf, inf, (2,)" in message
    narrow = make(
        "made/narrow-v0", [episode(0, [[0, 0]])], actions=gym.spaces.Box(-1, 1, (2,))
    )
    assert "dataset made/narrow-v0 has actions Box(-1.0, 1.0" in refusal(one, narrow)


def test_datasets_to_join_must_have_the_same_robot():
    cart, pendulum = (gym.spec(x) for x in ("MountainCarContinuous-v0", "Pendulum-v1"))
    one = make("made/one-v0", [FALLING], env=cart)
    two = make("made/two-v0", [FALLING], env=pendulum)
    assert datasets.load_datasets([one]).env_spec.id == "MountainCarContinuous-v0"
    message = refusal(one, two)
    assert "has environment Pendulum" in message
    assert "has MountainCarContinuous" in message


@pytest.mark.parametrize(
    ("field", "row", "value", "fault"),
    [
        ("observations", 2, np.nan, "observation is NaN or infinite in 1 of 3 rows, "),
        ("rewards", 1, np.inf, "reward is NaN or infinite in 1 of 3 rows, "),
        ("rewards", 1, 1e39, "reward is NaN or infinite in 1 of 3 rows, "),
        ("actions", 0, np.nan, "action is NaN or infinite in 1 of 3 rows, "),
        ("actions", 1, 2.5, "action is outside its space in 1 of 3 rows, "),
    ],
)
def test_unsound_rows_are_refused_with_episode_and_row(field, row, value, fault):
    bad = np.array(getattr(FALLING, field), np.float64)
    bad[row] = value
    broken = dataclasses.replace(FALLING, **{field: bad})
    make("made/bad-v0", [CUT_SHORT, broken])
    expected = f"dataset made/bad-v0, episode 1: {fault}the first is row {row}: "
    assert refusal("made/bad-v0").startswith(expected)


def test_a_dataset_without_episodes_is_refused(folder):
    make("made/empty-v0", [FALLING])
    path = folder / "made/empty-v0/data/metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"total_episodes": 0}))
    assert "dataset made/empty-v0 is empty" in refusal("made/empty-v0")


def replace_arrays(folder, name, **arrays):
    """Put other arrays into the last of two episodes, as Minari itself would not."""
    with h5py.File(folder / name / "data/main_data.hdf5", "a") as file:
        for key, value in arrays.items():
            del file["episode_1"][key]
            file["episode_1"][key] = value


def test_an_episode_without_a_step_is_refused(folder):
    make("made/short-v0", [FALLING, CUT_SHORT])
    nothing = {k: np.zeros(0) for k in ("rewards", "terminations", "truncations")}
    shapes = {"observations": np.zeros((1, 2)), "actions": np.zeros((0, 2))}
    replace_arrays(folder, "made/short-v0", **nothing, **shapes)
    assert refusal("made/short-v0") == (
        "dataset made/short-v0, episode 1: it has no step; leave it out"
    )


@pytest.mark.parametrize(
    ("field", "width"), [("observations", 1), ("observations", 3), ("actions", 1)]
)
def test_rows_must_be_as_wide_as_their_space(folder, field, width):
    make("made/narrow-v0", [FALLING, CUT_SHORT])
    value = np.zeros((len(getattr(CUT_SHORT, field)), width))
    replace_arrays(folder, "made/narrow-v0", **{field: value})
    message = refusal("made/narrow-v0")
    assert message.startswith(f"dataset made/narrow-v0, episode 1: {field} have shape")


@pytest.mark.parametrize("steps", [4, 6, 10**16, -1])
def test_metadata_with_another_number_of_steps_are_refused(folder, steps):
    make("made/count-v0", [FALLING, CUT_SHORT])
    path = folder / "made/count-v0/data/metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"total_steps": steps}))
    message = refusal("made/count-v0")
    if steps in (4, 6):
        assert f"holds 5 steps and its metadata name {steps}" in message
    else:
        assert f"no room for the {steps} steps of made/count-v0" in message


@pytest.mark.parametrize("file", ["main_data.hdf5", "metadata.json"])
def test_damaged_files_are_refused(folder, file):
    make("made/torn-v0", [FALLING, CUT_SHORT])
    path = folder / "made/torn-v0/data" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = refusal("made/torn-v0")
    assert message.startswith("dataset made/torn-v0 cannot be read (")
    assert "damaged" in message


def test_a_missing_episode_is_refused(folder):
    make("made/gone-v0", [FALLING])
    path = folder / "made/gone-v0/data/metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"total_episodes": 2}))
    assert "dataset made/gone-v0 cannot be read" in refusal("made/gone-v0")


def test_episodes_of_a_simulator_keep_their_order_and_their_ends(folder):
    played = episodes.play("Hopper-v5", episodes=3)
    name = episodes.write("made/played-v0", played)
    steps = sum(len(x.rewards) for x in played)
    data = datasets.load_datasets([name], normalize=True)
    assert data.env_spec.id == "Hopper-v5"
    assert data.transitions.observation.shape == (steps, 11)
    std = data.transitions.observation.std(axis=0)
    np.testing.assert_allclose(std, 1.0, atol=1e-3)
    # Inside an episode the next observation is that of the following row.
    following = data.transitions.observation[1:]
    same = (data.transitions.next_observation[:-1] == following).all(axis=1)
    ends = np.cumsum([len(x.rewards) for x in played])[:-1] - 1
    np.testing.assert_array_equal(np.flatnonzero(~same), ends)
    terminated = np.concatenate([x.terminations for x in played])
    np.testing.assert_array_equal(data.transitions.terminated, terminated)


def test_a_folder_that_is_given_is_the_only_one_searched(folder, tmp_path, monkeypatch):
    def download(dataset_id):
        raise AssertionError("a download would not go to the folder given")

    monkeypatch.setattr("minari.storage.hosting.download_dataset", download)
    other = tmp_path / "other"
    make("made/default-v0", [FALLING])
    write_dataset(
        "made/given-v0",
        [CUT_SHORT],
        observation_space=OBSERVATIONS,
        action_space=ACTIONS,
        algorithm_name="by hand",
        description="A test.",
        root=other,
    )
    data = datasets.load_datasets(["made/given-v0"], root=other)
    np.testing.assert_array_equal(data.transitions.reward, [1000, 1010])
    assert refusal("made/default-v0", root=other) == (
        f"dataset 'made/default-v0' is not in {other}; datasets there: made/given-v0"
    )


def test_reading_leaves_logging_as_it_is(monkeypatch):
    def unreachable(dataset_id):
        levels.append(logging.root.manager.disable)
        raise OSError("no network")

    levels = [logging.root.manager.disable]
    monkeypatch.setenv("MINARI_REMOTE", "gcp://a-bucket")
    monkeypatch.setattr("minari.storage.hosting.download_dataset", unreachable)
    refusal("made/absent-v0")
    assert levels == [logging.NOTSET, logging.NOTSET]
