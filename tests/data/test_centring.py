"""Coordinates that float32 would blur keep their moves, in training and at work."""

import json
import re
import subprocess
import sys

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from minari.data_collector import EpisodeBuffer

from ramac_jax import export
from ramac_jax import policy as checkpoints
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.writing import write_dataset
from ramac_jax.evaluation import Environments, evaluate
from ramac_jax.export import ExportOptions
from ramac_jax.normalization import normalize_observation

FAR = 1e6
MOVE = 0.01
KEY = jax.random.key(3)
ACTIONS = gym.spaces.Box(-1.0, 1.0, (1,))
SPACE = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)


class Walk(gym.Env):
    """Starts a hundredth of its seed beyond a million, and stays."""

    observation_space, action_space = SPACE, ACTIONS

    def reset(self, *, seed=None, options=None):
        self.now = np.array([FAR + MOVE * seed, 1.0])
        return self.now, {}

    def step(self, action):
        return self.now, 0.0, False, False, {}


WALK = EnvSpec("Walk-v0", entry_point=Walk)


def places(start):
    """Positions that move on, and speeds of about 1: [21, 2] float64."""
    steps = np.arange(21.0)
    return np.stack([start + MOVE * steps, np.sin(steps)], axis=1)


def write(name, *starts):
    buffers = [
        EpisodeBuffer(
            observations=places(start),
            actions=np.zeros((20, 1), np.float32),
            rewards=np.zeros(20),
            terminations=np.zeros(20, bool),
            truncations=np.arange(20) == 19,
        )
        for start in starts
    ]
    write_dataset(
        name,
        buffers,
        observation_space=SPACE,
        action_space=ACTIONS,
        algorithm_name="by hand",
        description="A test.",
    )
    return name


def test_small_moves_far_away_keep_their_digits():
    data = load_datasets([write("made/far-v0", FAR, FAR + 1)])
    got = data.transitions
    moves = np.asarray(got.next_observation - got.observation)[:, 0]
    np.testing.assert_allclose(moves, MOVE, rtol=1e-4)
    centre = np.asarray(data.scaling.observation_centre, np.float64)
    assert abs(centre[0] - FAR) < 1 and centre[1] == 0
    np.testing.assert_array_equal(
        got.observation[:20], (places(FAR)[:-1] - centre).astype(np.float32)
    )


def test_they_are_normalized_from_their_digits():
    data = load_datasets([write("made/far-v0", FAR)], normalize=True)
    expected = (places(FAR)[:-1] - places(FAR)[:-1].mean(0)) / places(FAR)[:-1].std(0)
    np.testing.assert_allclose(data.transitions.observation, expected, atol=1e-4)


@pytest.mark.parametrize("start", [0.0, 10.0])
def test_ordinary_data_stay_bit_for_bit_as_they_are(start):
    data = load_datasets([write("made/near-v0", start)])
    assert data.scaling.observation_centre is None
    rounded = places(start).astype(np.float32)
    np.testing.assert_array_equal(data.transitions.observation, rounded[:-1])


def test_a_coordinate_that_covers_its_range_is_not_centred():
    data = load_datasets([write("made/time-v0", 0.0, FAR)])
    assert data.scaling.observation_centre is None


def test_the_hash_is_that_of_data_that_are_not_centred():
    far = load_datasets([write("made/far-v0", FAR)]).sources[0]
    both = load_datasets(["made/far-v0", write("made/further-v0", FAR + 3)]).sources[0]
    assert far.sha256 == both.sha256


@pytest.fixture
def trained():
    """A policy of the data far away, with the transitions that it was made for."""
    data = load_datasets([write("made/far-v0", FAR, FAR + 1)], normalize=True)
    spec = checkpoints.PolicySpec(
        scaling=data.scaling,
        actor="gaussian",
        actor_options={"widths": [8]},
        guard=data.guard(),
    )
    actor = checkpoints.build_actor(spec)
    params = actor.init(jax.random.key(0), jnp.zeros((1, 2)), jnp.zeros((1, 1)))
    everyone = jax.tree.map(lambda x: x[None], params)
    return checkpoints.Policy(spec, actor, everyone), data.transitions


def test_a_policy_reads_the_environments_units_as_in_training(trained, tmp_path):
    policy, transitions = trained
    checkpoints.save_acting(tmp_path / "policy", policy)
    loaded = checkpoints.load_policy(tmp_path / "policy")
    observed = places(FAR)[:20]
    acted = loaded(observed, KEY)  # no OODWarning: the guard knows these data
    expected = policy.actor.sample(
        jax.tree.map(lambda x: x[0], policy.params), transitions.observation[:20], KEY
    )
    np.testing.assert_allclose(acted, expected, atol=1e-5)
    assert len(np.unique(np.asarray(loaded(observed, KEY, temperature=0.0)))) == 20
    score = loaded.ood_score(observed)
    assert (score < policy.spec.guard.threshold + 1e-3).all()
    assert loaded.ood_score(observed + [1e3, 0.0])[0] > 1e3


def test_a_version_that_would_read_past_the_centre_refuses_it(trained, tmp_path):
    policy, _ = trained
    plain = policy.of_centred()
    options = ExportOptions(formats=["stablehlo"], platforms=["cpu"])
    for each, form, version in ((policy, 3, 2), (plain, 2, 1)):
        checkpoints.save_acting(tmp_path / "policy", each)
        record = json.loads((tmp_path / "policy" / "policy.json").read_text())
        assert record["format"] == form
        exported = export.export_policy(each, tmp_path / "out", options)
        assert exported["version"] == version
        assert export.load_exported(tmp_path / "out").record["version"] == version


def test_episodes_give_a_policy_the_digits(trained):
    policy, _ = trained
    with Environments(WALK, horizon=2) as environments:
        played = evaluate(policy, environments, num_episodes=3, seed=5)
    scaled = normalize_observation(policy.spec.scaling, played.start[0])
    places = FAR + MOVE * np.arange(5, 8) - np.float64(policy.observation_centre[0])
    np.testing.assert_allclose(played.start[0, :, 0], places, atol=1e-6)
    assert np.ptp(np.asarray(scaled)[:, 0]) > 0.01


@pytest.mark.parametrize("form", ["stablehlo", "onnx"])
def test_the_lines_of_a_readme_subtract_the_centre(trained, form, tmp_path):
    policy, _ = trained
    options = ExportOptions(formats=[form], platforms=["cpu"])
    export.export_policy(policy, tmp_path / "out", options)
    text = (tmp_path / "out" / "README.md").read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", text, re.S)
    given = f"np.array({places(FAR)[:1].tolist()})"
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            lines.replace("np.zeros((1, 2))", given) + "print(ood_score[0])",
        ],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
        check=True,
    )
    expected = policy.ood_score(places(FAR)[:1])
    np.testing.assert_allclose(float(run.stdout.split()[-1]), expected, rtol=1e-5)


def test_an_exported_policy_subtracts_the_centre_first(trained, tmp_path):
    policy, _ = trained
    options = ExportOptions(formats=["stablehlo"], platforms=["cpu"], card=True)
    record = export.export_policy(policy, tmp_path / "out", options)
    assert "less observation_centre of policy.json" in record["inputs"][0]["meaning"]
    exported = export.load_exported(tmp_path / "out")
    observed = places(FAR)[:20]
    np.testing.assert_allclose(
        exported(observed, KEY), policy(observed, KEY), atol=1e-6
    )
    again = checkpoints.load_policy(tmp_path / "out")
    np.testing.assert_array_equal(again(observed, KEY), policy(observed, KEY))
    with Environments(WALK, horizon=2) as environments:
        one, other = (
            evaluate(x, environments, num_episodes=2, seed=5)
            for x in (exported, policy)
        )
    np.testing.assert_array_equal(one.start, other.start)
