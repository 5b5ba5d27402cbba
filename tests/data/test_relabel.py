"""Relabelled datasets: the same data, other rewards, and a record of their sources."""

import hashlib
import json

import gymnasium as gym
import numpy as np
import pytest
from scipy.stats import norm

from ramac_jax import InputError
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.local_datasets import open_dataset
from ramac_jax.data.penalties import relabel_rewards
from ramac_jax.data.relabel import read_record, relabel_dataset
from ramac_jax.data.sources import find_coordinate
from ramac_jax.envs.hazards import is_risky
from ramac_jax.tasks import TASKS, angle_hazard
from tests import episodes
from tests.episodes import lean, stored, sway

TASK = "hopper-medium-expert"
SOURCE, TARGET = "made/hopper/plain-v0", "made/hopper/charged-v0"
HAZARD = TASKS[TASK].hazard  # -50, one time in ten, outside [-.17, .04]


def make(made, name=SOURCE, **options):
    return episodes.write(name, made, **options)


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


def test_only_rewards_change_and_the_summary_counts_them():
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


def test_rewards_are_the_same_bytes_in_every_version():
    count = np.arange(1000)
    reward, _, _ = relabel_rewards(HAZARD, 0.25 * count, 0.0625 * (count % 7 - 3), 7)
    assert hashlib.sha256(reward.astype("<f8").tobytes()).hexdigest() == (
        "10b9fe17121c6636785fe19753c6494774853aede7d59f5d143fc5b0f13d6621"
    )


def test_the_algorithms_of_the_sources_are_named_once():
    names = {"made/one-v0": "SAC", "made/two-v0": "TD3", "made/three-v0": "SAC"}
    for name, algorithm in names.items():
        make([sway(0)], name, algorithm_name=algorithm)
    relabel_dataset(list(names), TARGET, HAZARD, 0)
    assert open_dataset(TARGET).storage.metadata["algorithm_name"] == "SAC, TD3"


def test_an_end_of_the_hazard_cuts_the_episode_and_later_draws_stay():
    hazard = angle_hazard(-0.1, 0.1, -50.0, end=0.2)._replace(probability=0.5)
    angles = [0.3, 0.0, 0.15, 0.25, 0.0, 0.3]  # the first state is no step's
    make(
        [
            lean(angles),
            lean([0.0, 0.2, -0.2, 0.0]),
            lean([0.0, 0.0, 0.21], terminated=True),
            lean([0.0, 0.0, -0.21]),
        ]
    )
    made = relabel_dataset([SOURCE], TARGET, hazard, 0)
    got = stored(TARGET)
    assert [len(x.rewards) for x in got] == [3, 3, 2, 2]
    np.testing.assert_array_equal(got[0].observations[:, 1], angles[:4])
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


def test_a_task_sets_environment_reference_returns_and_record(folder):
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


@pytest.mark.parametrize(
    ("task", "own", "score"),
    [(None, (1.0, 2.0), 2.0), (TASK, (1.0, 2.0), 3234.3), (None, None, 3234.3)],
)
def test_reference_returns_are_the_datas_own_without_a_task(task, own, score):
    make([sway(0)], reference=own)
    relabel_dataset([SOURCE], TARGET, HAZARD, 5, task=task)
    assert open_dataset(TARGET).storage.metadata["ref_max_score"] == score


@pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")
def test_the_robot_has_the_version_of_the_sources_or_the_one_given():
    make([sway(0)], robot="Hopper-v4")
    relabel_dataset([SOURCE], TARGET, HAZARD, 5, task=TASK)
    assert open_dataset(TARGET).env_spec.id == f"ramac_jax/{TASK}-v4"
    relabel_dataset(
        [SOURCE], TARGET, HAZARD, 5, task=TASK, robot_version=5, overwrite=True
    )
    assert open_dataset(TARGET).env_spec.id == f"ramac_jax/{TASK}-v5"


def test_your_own_hazard_wraps_the_environment_of_the_sources():
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
def test_your_own_hazard_applies_to_the_version_given(folder):
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
def test_a_hazard_that_fires_always_or_never_is_warned_of(low, high, often, share):
    make([sway(0)])
    hazard = HAZARD._replace(low=low, high=high)
    made = relabel_dataset([SOURCE], TARGET, hazard, 0)
    assert made.warning.startswith(
        f"the hazard {often} fires: a share of {share} of the steps is risky"
    )
    assert made.summary.risky_share == share


def test_one_risky_step_in_ten_is_charged(folder):
    """Angles are normal with deviation .1: 38.9 % of them are outside [-.17, .04]."""
    make([sway(seed, 10_000) for seed in range(3)])
    summary = relabel_dataset([SOURCE], TARGET, HAZARD, 0, task=TASK).summary
    outside = norm.cdf(-1.7) + norm.sf(0.4)
    # Five standard deviations of a binomial share.
    np.testing.assert_allclose(summary.risky_share, outside, atol=0.014)
    np.testing.assert_allclose(summary.charged_share, 0.1 * outside, atol=0.006)


def test_all_datasets_of_a_call_are_in_the_folder_given(tmp_path):
    other = tmp_path / "other"
    make([sway(0)], root=other)
    made = relabel_dataset([SOURCE], TARGET, HAZARD, 5, task=TASK, root=other)
    assert read_record(TARGET, other)["task"] == TASK
    assert load_datasets([TARGET], root=other).sources[0].steps == made.summary.steps
    assert find_coordinate([SOURCE], "x velocity", other) == 5
    with pytest.raises(InputError, match="is not in .*third; datasets there: none"):
        read_record(TARGET, tmp_path / "third")


def test_a_dataset_of_version_0_1_is_evaluated_by_the_current_classes(folder):
    make([sway(0)])
    relabel_dataset([SOURCE], TARGET, HAZARD, 5, task=TASK)
    path = folder / TARGET / "data/metadata.json"
    old, new = "ramac_jax.tasks.environments", "ramac_jax.envs.registration"
    assert new in path.read_text()
    path.write_text(path.read_text().replace(new, old))
    env = gym.make(load_datasets([TARGET]).env_spec)
    env.reset(seed=0)
    assert "penalty" in env.step(np.zeros(3, np.float32))[-1]
