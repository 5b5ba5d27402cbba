"""Observations with parts become vectors by Gymnasium's rule, wherever they are."""

import json

import gymnasium as gym
import jax
import jax.numpy as jnp
import minari
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from minari.data_collector import EpisodeBuffer

import ramac_jax as rj
from ramac_jax import export
from ramac_jax import policy as checkpoints
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.relabel import relabel_dataset
from ramac_jax.envs.spaces import find_layout
from ramac_jax.evaluation import Environments, evaluate
from ramac_jax.normalization import Scaling
from ramac_jax.observations import flatten, width
from ramac_jax.tasks import Hazard
from tests import episodes

EVERYTHING = Dict(
    {
        "image": Box(-1.0, 1.0, (2, 3)),
        "again": Tuple((Discrete(3, start=5), Box(0.0, 1.0, (), np.float64))),
        "buttons": MultiBinary(4),
        "dials": MultiDiscrete([2, 3], start=[1, 0]),
    }
)
MAZE = Dict(
    {
        "observation": Box(-np.inf, np.inf, (2,), np.float64),
        "achieved_goal": Box(-np.inf, np.inf, (1,), np.float64),
    }
)


class Maze(gym.Env):
    """A walker that observes its place, and its place and speed; pays the place."""

    observation_space = MAZE
    action_space = Box(-1.0, 1.0, (1,))

    def look(self):
        return {"observation": np.array([self.x, 0.5]), "achieved_goal": [self.x]}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = float(seed or 0)
        return self.look(), {}

    def step(self, action):
        self.x += float(action[0])
        return self.look(), self.x, False, False, {}


SPEC = EnvSpec("Maze-v0", entry_point="tests.data.test_observations:Maze")


def stack(space, rows):
    """Observations of one space as arrays with a leading axis, in the same shape."""
    if isinstance(space, Dict):
        return {k: stack(x, [r[k] for r in rows]) for k, x in space.spaces.items()}
    if isinstance(space, Tuple):
        return tuple(stack(x, [r[i] for r in rows]) for i, x in enumerate(space.spaces))
    return np.array(rows)


def buffer(observations, steps):
    return EpisodeBuffer(
        observations=observations,
        actions=np.full((steps, 1), 0.5, np.float32),
        rewards=np.ones(steps),
        terminations=np.zeros(steps, bool),
        truncations=np.arange(steps) == steps - 1,
    )


def make(name, space, steps=5, env=None):
    space.seed(0)
    rows = [space.sample() for _ in range(steps + 1)]
    minari.create_dataset_from_buffers(
        name,
        [buffer(stack(space, rows), steps)],
        observation_space=space,
        action_space=Box(-1.0, 1.0, (1,)),
        env=env,
    )
    return rows


def test_parts_become_the_vector_that_gymnasium_makes():
    EVERYTHING.seed(1)
    rows = [EVERYTHING.sample() for _ in range(20)]
    layout = find_layout(EVERYTHING)
    expected = np.array([gym.spaces.flatten(EVERYTHING, x) for x in rows])
    whole = flatten(layout, stack(EVERYTHING, rows))
    np.testing.assert_array_equal(whole, expected)
    assert whole.dtype == np.float64
    assert width(layout) == gym.spaces.flatdim(EVERYTHING) == 19
    traced = jax.jit(lambda x: flatten(layout, x))(rows[0])
    np.testing.assert_array_equal(traced, expected[0].astype(np.float32))


def test_a_dataset_of_dictionaries_is_trained_on():
    rows = make("made/parts-v0", EVERYTHING)
    data = load_datasets(["made/parts-v0"])
    flat = np.array([gym.spaces.flatten(EVERYTHING, x) for x in rows], np.float32)
    np.testing.assert_array_equal(data.transitions.observation, flat[:-1])
    np.testing.assert_array_equal(data.transitions.next_observation, flat[1:])
    assert data.layout == find_layout(EVERYTHING)
    assert data.scaling.observation_mean.shape == (19,)


def test_other_spaces_are_refused():
    make("made/odd-v0", Discrete(4))
    assert episodes.refusal(load_datasets, ["made/odd-v0"]).startswith(
        "dataset made/odd-v0 has observations Discrete(4): an agent needs a flat, "
        "continuous Box, or a Dict or Tuple of spaces that become one"
    )
    message = episodes.refusal(find_layout, Dict({"words": gym.spaces.Text(3)}))
    assert "at words: it does not become a vector" in message


def test_a_hazard_needs_flat_observations(folder):
    make("made/maze-v0", MAZE, env=SPEC)
    hazard = Hazard("x velocity", 0, -1.0, 1.0, 0.5, -1.0)
    message = episodes.refusal(
        relabel_dataset, ["made/maze-v0"], "made/b-v0", hazard, 0, folder=folder
    )
    assert "a hazard monitors a coordinate of flat observations" in message


def maze_policy(layout):
    """A policy that acts by the weights of a small network."""
    spec = checkpoints.PolicySpec(
        scaling=Scaling(jnp.zeros(3), jnp.ones(3), -jnp.ones(1), jnp.ones(1)),
        actor="gaussian",
        actor_options={"widths": [4]},
        layout=layout,
    )
    actor = checkpoints.build_actor(spec)
    params = actor.init(jax.random.key(0), jnp.zeros((1, 3)), jnp.zeros((1, 1)))
    return checkpoints.Policy(spec, actor, jax.tree.map(lambda x: x[None], params))


def test_a_saved_policy_reads_dictionaries(tmp_path):
    checkpoints.save_acting(tmp_path / "policy", maze_policy(find_layout(MAZE)))
    record = json.loads((tmp_path / "policy" / "policy.json").read_text())
    assert record["format"] == 3  # a version without layouts refuses it
    policy = checkpoints.load_policy(tmp_path / "policy")
    assert policy.spec.layout == find_layout(MAZE)
    key = jax.random.key(1)
    parts = {"observation": np.ones((4, 2)), "achieved_goal": 3.0 * np.ones((4, 1))}
    vector = np.tile([3.0, 1.0, 1.0], (4, 1))
    expected = policy(vector, key)
    np.testing.assert_array_equal(policy(parts, key), expected)
    np.testing.assert_allclose(jax.jit(policy)(parts, key), expected, atol=1e-6)
    with pytest.raises(rj.InputError, match="has no part achieved_goal"):
        policy({"observation": np.ones(2)}, key)
    parts["observation"] = np.ones((4, 3))
    with pytest.raises(rj.InputError, match=r"shape \[4, 3\]: it must be \[..., 2\]"):
        policy(parts, key)
    parts["observation"] = np.ones((2, 2))
    with pytest.raises(
        rj.InputError, match=r"differ in number: achieved_goal \[4, 1\], "
    ):
        policy(parts, key)


def test_an_exported_policy_reads_dictionaries(tmp_path):
    layout, key = find_layout(MAZE), jax.random.key(1)
    options = export.ExportOptions(formats=["stablehlo"], platforms=["cpu"])
    export.export_policy(maze_policy(layout), tmp_path / "out", options)
    exported = export.load_exported(tmp_path / "out")
    assert exported.layout == layout
    exported.record["observation_layout"].reverse()
    with Environments(SPEC, horizon=3) as environments:
        message = episodes.refusal(evaluate, exported, environments, num_episodes=1)
    assert "Maze-v0 has other parts of observations" in message
    exported.record["observation_layout"].reverse()
    parts = {"observation": np.ones((4, 2)), "achieved_goal": 3.0 * np.ones((4, 1))}
    vector = np.tile([3.0, 1.0, 1.0], (4, 1))
    np.testing.assert_array_equal(exported(parts, key), exported(vector, key))
    with pytest.raises(rj.InputError, match="has no part achieved_goal"):
        exported({"observation": np.ones(2)}, key)
    text = (tmp_path / "out" / "README.md").read_text()
    assert "# put yours here, flattened\n" in text


def test_a_policy_of_vectors_has_no_layout_in_its_file(tmp_path):
    checkpoints.save_acting(tmp_path / "policy", maze_policy(None))
    assert "observation_layout" not in (tmp_path / "policy/policy.json").read_text()
    assert checkpoints.load_policy(tmp_path / "policy").spec.layout is None


def test_episodes_flatten_as_the_data_do():
    policy = maze_policy(find_layout(MAZE))
    with Environments(SPEC, horizon=3) as environments:
        played = evaluate(policy, environments, num_episodes=2, seed=7)
    np.testing.assert_array_equal(played.start[0], [[7.0, 7.0, 0.5], [8.0, 8.0, 0.5]])
    assert not played.failed.any()


def test_an_environment_of_another_order_is_refused():
    policy = maze_policy(tuple(reversed(find_layout(MAZE))))
    with Environments(SPEC, horizon=3) as environments:
        message = episodes.refusal(evaluate, policy, environments, num_episodes=1)
    assert "Maze-v0 has other parts of observations than the data of the policy" in (
        message
    )


def test_an_environment_that_cannot_be_flattened_is_refused():
    class Words(Maze):
        observation_space = Dict({"words": gym.spaces.Text(3)})

    odd = EnvSpec("Words-v0", entry_point=Words)
    message = episodes.refusal(Environments, odd, horizon=3)
    assert "Words-v0 has observation_space Text" in message
