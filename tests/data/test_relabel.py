"""Relabelled datasets: the same data, other rewards, and where they came from."""

import dataclasses
import hashlib
import json
import math
import os

import gymnasium as gym
import h5py
import numpy as np
import pytest
from minari.data_collector.episode_buffer import EpisodeBuffer

from ramac_jax import InputError
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.local_datasets import open_dataset
from ramac_jax.data.penalties import relabel_rewards
from ramac_jax.data.relabel import read_record, relabel_dataset
from ramac_jax.data.sources import find_coordinate
from ramac_jax.data.writing import write_dataset
from ramac_jax.envs.hazards import is_risky
from ramac_jax.tasks import TASKS, Hazard, angle_hazard

ROOT = os.environ.get("MINARI_DATASETS_PATH")  # before the tests replace it
REAL = "local/hopper/medium-expert-v0"
TASK = "hopper-medium-expert"
SOURCE, TARGET = "made/hopper/plain-v0", "made/hopper/charged-v0"
HAZARD = TASKS[TASK].hazard  # -50, one time in ten, outside [-.17, .04]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def episode(angles, terminated=False, reward=1.0):
    """A Hopper that leans by the first angle, and by the others after each step."""
    steps = len(angles) - 1
    observations = np.zeros((steps + 1, 11))
    observations[:, 1] = angles
    ending = np.arange(steps) == steps - 1
    return EpisodeBuffer(
        observations=observations,
        actions=np.full((steps, 3), 0.5, np.float32),
        rewards=reward + np.arange(steps),
        terminations=ending & terminated,
        truncations=ending & (not terminated),
    )


def make(episodes, name=SOURCE, robot="Hopper-v5", algorithm="by hand", **spaces):
    env = gym.make(robot)
    defaults = {
        "observation_space": env.observation_space,
        "action_space": env.action_space,
        "env_spec": env.spec,
    }
    write_dataset(
        name,
        episodes,
        algorithm_name=algorithm,
        description="A test.",
        **(defaults | spaces),
    )
    return name


def sway(seed, steps=200):
    return episode(np.random.default_rng(seed).normal(0.0, 0.1, steps + 1))


def stored(name):
    return list(open_dataset(name).iterate_episodes())


def test_rewards_by_hand():
    draws = np.random.default_rng(7).random(4)
    hazard = HAZARD._replace(probability=float(np.median(draws)))
    reward, charge, risky = relabel_rewards(
        hazard, np.array([1.0, 2, 3, 4]), np.array([0.05, 0.05, 0.0, -0.2]), seed=7
    )
    low = draws < hazard.probability
    np.testing.assert_array_equal(risky, [True, True, False, True])
    np.testing.assert_array_equal(charge, -50.0 * (low & risky))
    np.testing.assert_array_equal(reward, [1, 2, 3, 4] + charge)
    assert reward.dtype == np.float64


def test_only_rewards_change_and_the_numbers_are_told():
    one, two = make([sway(0), sway(1)]), make([sway(2)], "made/hopper/more-v0")
    made = relabel_dataset([one, two], TARGET, HAZARD, 5, task=TASK)
    before, after = load_datasets([one, two]), load_datasets([TARGET])
    for name in ("observation", "action", "next_observation", "terminated"):
        np.testing.assert_array_equal(
            getattr(before.transitions, name), getattr(after.transitions, name)
        )
    quantity = np.asarray(before.transitions.next_observation[:, 1])
    draws = np.random.default_rng(5).random(600)
    charged = is_risky(HAZARD, quantity) & (draws < 0.1)
    change = after.transitions.reward - before.transitions.reward
    np.testing.assert_allclose(change, -50.0 * charged, atol=1e-4)
    assert made.sources == before.sources  # with the hashes that a run records
    assert (made.id, made.summary.episodes, made.summary.steps) == (TARGET, 3, 600)
    assert (made.summary.ended, made.summary.dropped, made.warning) == (0, 0, None)
    assert made.summary.risky_share == is_risky(HAZARD, quantity).mean()
    assert made.summary.charged_share == charged.mean() > 0
    np.testing.assert_allclose(
        made.summary.reward_after - made.summary.reward_before,
        -50 * charged.mean(),
        rtol=1e-6,
    )


def test_the_same_call_gives_the_same_bytes():
    make([sway(0), sway(1)])
    rewards = []
    for seed in (3, 3, 4):
        relabel_dataset([SOURCE], TARGET, HAZARD, seed, task=TASK, overwrite=True)
        rewards.append(b"".join(x.rewards.tobytes() for x in stored(TARGET)))
    assert rewards[0] == rewards[1] != rewards[2]


def test_the_bytes_are_those_of_every_version():
    count = np.arange(1000)
    reward, _, _ = relabel_rewards(HAZARD, 0.25 * count, 0.0625 * (count % 7 - 3), 7)
    assert hashlib.sha256(reward.astype("<f8").tobytes()).hexdigest() == (
        "10b9fe17121c6636785fe19753c6494774853aede7d59f5d143fc5b0f13d6621"
    )


def test_every_algorithm_is_named_once():
    names = {"made/one-v0": "SAC", "made/two-v0": "TD3", "made/three-v0": "SAC"}
    for name, algorithm in names.items():
        make([sway(0)], name, algorithm=algorithm)
    relabel_dataset(list(names), TARGET, HAZARD, 0)
    assert open_dataset(TARGET).storage.metadata["algorithm_name"] == "SAC, TD3"


def test_the_extra_end_cuts_episodes_and_keeps_the_draws_of_the_rest():
    hazard = angle_hazard(-0.1, 0.1, -50.0, end=0.2)._replace(probability=0.5)
    lean = [0.3, 0.0, 0.15, 0.25, 0.0, 0.3]  # the first state is no step's
    make(
        [
            episode(lean),
            episode([0.0, 0.2, -0.2, 0.0]),
            episode([0.0, 0.0, 0.21], terminated=True),
            episode([0.0, 0.0, -0.21]),
        ]
    )
    made = relabel_dataset([SOURCE], TARGET, hazard, 0)
    got = stored(TARGET)
    assert [len(x.rewards) for x in got] == [3, 3, 2, 2]
    np.testing.assert_array_equal(got[0].observations[:, 1], lean[:4])
    assert [x.terminations.tolist() for x in got] == [
        [False, False, True],
        [False, False, False],
        [False, True],
        [False, True],
    ]
    truncated = [bool(x.truncations.any()) for x in got]
    assert truncated == [False, True, False, False]
    # The third episode ended there by itself.
    assert (made.summary.ended, made.summary.dropped, made.summary.steps) == (2, 2, 10)
    draws = np.random.default_rng(0).random(12)
    np.testing.assert_array_equal(
        got[1].rewards, [1, 2, 3] - 50.0 * ([1, 1, 0] & (draws[5:8] < 0.5))
    )


def test_a_task_brings_its_environment_and_reference_returns(folder):
    make([sway(0)])
    relabel_dataset([SOURCE], TARGET, HAZARD, 5, task=TASK)
    dataset = open_dataset(TARGET)
    assert dataset.env_spec.id == f"ramac_jax/{TASK}-v5"
    metadata = dataset.storage.metadata
    assert (metadata["ref_min_score"], metadata["ref_max_score"]) == (
        -20.272305,
        3234.3,
    )
    for part in ("-50", "0.1", "torso angle", "[-0.17, 0.04] rad", "Seed 5", SOURCE):
        assert part in metadata["description"]
    record = read_record(TARGET)
    assert record["hazard"] == HAZARD._asdict() | {"end_low": None, "end_high": None}
    assert (record["seed"], record["task"]) == (5, TASK)
    source = load_datasets([SOURCE]).sources[0]
    assert f"{SOURCE} (sha256 {source.sha256[:12]})" in metadata["description"]
    assert record["sources"] == [source._asdict()]
    assert record["versions"].keys() == {"ramac_jax", "numpy", "gymnasium", "minari"}
    assert read_record(SOURCE) is None
    text = (folder / TARGET / "data" / "metadata.json").read_text()
    json.loads(text, parse_constant=pytest.fail)


@pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")
def test_the_version_of_the_robot_is_the_sources_or_as_asked():
    make([sway(0)], robot="Hopper-v4")
    relabel_dataset([SOURCE], TARGET, HAZARD, 5, task=TASK)
    assert open_dataset(TARGET).env_spec.id == f"ramac_jax/{TASK}-v4"
    relabel_dataset(
        [SOURCE], TARGET, HAZARD, 5, task=TASK, robot_version=5, overwrite=True
    )
    assert open_dataset(TARGET).env_spec.id == f"ramac_jax/{TASK}-v5"


def test_a_hazard_of_your_own_goes_around_the_robot():
    make([sway(0)])
    mild = HAZARD._replace(penalty=-5.0)
    for task in (None, TASK):
        relabel_dataset([SOURCE], TARGET, mild, 5, task=task, overwrite=True)
        dataset = open_dataset(TARGET)
        assert dataset.env_spec.id == "Hopper-v5"
        env = dataset.recover_environment()
        env.reset(seed=0)
        info = env.step(np.zeros(3, np.float32))[-1]
        assert env.hazard == mild and "penalty" in info


@pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")
def test_a_hazard_of_your_own_takes_the_version_asked_for(folder):
    plain = make([sway(0)], env_spec=gym.make("Hopper-v5", max_episode_steps=70).spec)
    relabel_dataset([plain], TARGET, HAZARD, 5, robot_version=4)
    env = open_dataset(TARGET).recover_environment()
    assert (env.spec.id, env.spec.max_episode_steps) == ("Hopper-v4", 70)
    assert env.unwrapped.__class__.__module__.endswith("hopper_v4")
    assert env.hazard == HAZARD
    with pytest.raises(InputError, match="Hopper-v5 has no version 9 .*or none"):
        relabel_dataset([plain], "made/none-v0", HAZARD, 5, robot_version=9)


@pytest.mark.parametrize(
    ("low", "high", "often", "share"), [(-9, 9, "never", 0), (8, 9, "always", 1)]
)
def test_a_hazard_that_makes_no_difference(low, high, often, share):
    make([sway(0)])
    hazard = HAZARD._replace(low=low, high=high)
    made = relabel_dataset([SOURCE], TARGET, hazard, 0)
    assert made.warning.startswith(
        f"the hazard {often} fires: a share of {share} of the steps is risky"
    )
    assert made.summary.risky_share == share


def refusal(folder, *sources, hazard=HAZARD, **options):
    before = sorted(map(str, folder.rglob("*")))
    with pytest.raises(InputError) as refused:
        relabel_dataset(sources, TARGET, hazard, 0, **options)
    assert "\n" not in str(refused.value)
    assert sorted(map(str, folder.rglob("*"))) == before
    return str(refused.value)


def test_sources_that_do_not_fit(folder):
    plain = make([sway(0)])
    box = gym.spaces.Box(-np.inf, np.inf, (11,))
    wide = gym.spaces.Box(-2.0, 2.0, (3,))
    nameless = make([sway(0)], "made/nameless-v0", env_spec=None, observation_space=box)
    other = make([sway(0)], "made/wide-v0", action_space=wide)
    cart = make(
        [
            dataclasses.replace(
                sway(0), observations=np.zeros((201, 2)), actions=np.zeros((200, 1))
            )
        ],
        "made/cart-v0",
        robot="MountainCarContinuous-v0",
    )
    assert "no source is named" in refusal(folder)
    assert f"dataset {nameless} names no environment" in refusal(folder, nameless)
    assert (
        "dataset made/cart-v0 is of MountainCarContinuous-v0: give one of Hopper"
        in (refusal(folder, cart, task=TASK))
    )
    assert "is of Hopper-v5: give one of Walker2d" in (
        refusal(folder, plain, robot="Walker2d")
    )
    fast = Hazard("x velocity", 8, -5.0, 5.0, 0.1, -1.0)
    assert "observations of 2 coordinates: there is no 8, the x velocity" in (
        refusal(folder, cart, hazard=fast)
    )
    assert "the x velocity of Hopper-v5 is coordinate 5: give that" in (
        refusal(folder, plain, hazard=fast)
    )
    assert "the action spaces must agree" in refusal(folder, other, task=TASK)
    assert "datasets to be joined must agree" in refusal(folder, plain, other)
    assert "no robots of version 3" in refusal(
        folder, plain, task=TASK, robot_version=3
    )


def test_options_that_do_not_fit(folder):
    plain = make([sway(0)])
    assert "seed is -1" in str(
        pytest.raises(
            InputError, relabel_dataset, [plain], TARGET, HAZARD, -1, task=TASK
        ).value
    )
    assert "probability" in refusal(
        folder, plain, hazard=HAZARD._replace(probability=math.nan)
    )
    with pytest.raises(InputError, match="would replace its own source"):
        relabel_dataset([plain], plain, HAZARD, 0, overwrite=True)
    with pytest.raises(InputError, match="is there already"):
        relabel_dataset(["made/other-v0"], plain, HAZARD, 0)


def test_spellings_of_the_source_as_the_target(folder):
    name = make([sway(0)], TARGET)
    for source in (f"../{folder.name}/{name}", f"./{name}", "no-version"):
        assert f"{source!r} is no Minari id" in refusal(folder, source, overwrite=True)
    for source in (name, name.replace("/", "//", 1)):
        assert "would replace its own source" in (
            refusal(folder, source, overwrite=True)
        )


def test_positions_may_shift_what_a_robot_shows():
    wide = {"exclude_current_positions_from_observation": False}
    env = gym.make("Hopper-v5", **wide)
    lean = sway(0)
    shifted = dataclasses.replace(
        lean, observations=np.pad(lean.observations, ((0, 0), (1, 0)))
    )
    spaces = {"observation_space": env.observation_space, "env_spec": env.spec}
    make([shifted], **spaces)
    made = relabel_dataset([SOURCE], TARGET, HAZARD._replace(coordinate=2), 0)
    assert made.summary.risky_share > 0.1
    with pytest.raises(InputError, match="Hopper-v5 is not known here"):
        find_coordinate([SOURCE], "torso angle")


def test_what_is_charged_already(folder):
    make([sway(0)])
    relabel_dataset([SOURCE], "made/once-v0", HAZARD, 0, task=TASK)
    assert "is charged by a hazard already" in refusal(folder, "made/once-v0")
    robot = gym.spec(f"ramac_jax/{TASK}-v5")
    played = make([sway(0)], "made/played-v0", env_spec=robot)
    assert "is charged by a hazard already" in refusal(folder, played)


def test_rows_that_are_not_sound(folder):
    bad = sway(0)
    bad.observations[3, 1] = np.nan
    make([sway(1), bad])
    fault = f"dataset {SOURCE}, episode 1: observation is NaN or infinite"
    assert refusal(folder, SOURCE, task=TASK).startswith(fault)
    empty = make([sway(1)], "made/empty-v0")
    with h5py.File(folder / empty / "data/main_data.hdf5", "a") as file:
        group = file["episode_0"]
        for name in ("rewards", "terminations", "truncations", "actions"):
            group[name].resize(0, axis=0)
    fault = "dataset made/empty-v0, episode 0: it has no step"
    assert refusal(folder, empty, task=TASK).startswith(fault)


def test_a_real_dataset(tmp_path, monkeypatch):
    if ROOT is None or not os.path.isdir(os.path.join(ROOT, REAL)):
        pytest.skip(f"{REAL} is not under MINARI_DATASETS_PATH")
    (tmp_path / "local").symlink_to(os.path.join(ROOT, "local"))
    made = relabel_dataset([REAL], TARGET, HAZARD, 0, task=TASK)
    assert made.summary.steps == 64000
    np.testing.assert_allclose(made.summary.risky_share, 0.16, atol=0.01)
    np.testing.assert_allclose(
        made.summary.charged_share, 0.1 * made.summary.risky_share, atol=0.002
    )
