"""Data that people have: observations with parts, actions beyond their bounds."""

import json

import gymnasium as gym
import minari
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict
from minari.data_collector import EpisodeBuffer

from ramac_jax.cli import evaluate, process, train
from ramac_jax.policy import load_policy

ID = "RamacTest/Maze-v0"
DATASET = "made/maze-v0"
SPACE = Dict(
    {
        "place": Box(-np.inf, np.inf, (1,), np.float64),
        "goal": Box(-np.inf, np.inf, (2,), np.float64),
    }
)
TINY = (
    "--num-seeds 1 --num-steps 2 --log-every 2 --batch-size 8 --actor gaussian "
    "--actor-widths 4 --critic-width 4 --embedding-width 4 --num-cosines 2 "
    "--num-quantiles 2 --num-critics 1 --horizon 3 --episodes 2"
).split()

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]


class Maze(gym.Env):
    """Observes its place and its goal; pays the action."""

    observation_space = SPACE
    action_space = Box(-1.0, 1.0, (1,))

    def look(self):
        return {"place": np.array([self.now]), "goal": np.array([1.0, 2.0])}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.now = 0.0
        return self.look(), {}

    def step(self, action):
        self.now += float(action[0])
        return self.look(), float(action[0]), False, False, {}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on dictionaries of observations, with 3 actions that are too large."""
    folder = tmp_path_factory.mktemp("datasets")
    gym.register(ID, entry_point="tests.cli.test_data_kinds:Maze")
    draw = np.random.default_rng(0)
    actions = draw.uniform(-1.0, 1.0, (20, 1)).astype(np.float32)
    actions[[0, 4, 7]] = [[1.5], [-1.25], [3.0]]
    parts = {"place": draw.normal(size=(21, 1)), "goal": np.ones((21, 2))}
    episode = EpisodeBuffer(
        observations=parts,
        actions=actions,
        rewards=np.ones(20),
        terminations=np.zeros(20, bool),
        truncations=np.arange(20) == 19,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        minari.create_dataset_from_buffers(
            DATASET,
            [episode],
            env=gym.spec(ID),
            action_space=Maze.action_space,
            observation_space=SPACE,
        )
        yield folder / "run"
    gym.registry.pop(ID)


def test_a_run_clips_flattens_records_and_is_evaluated(run, capsys):
    argv = ["--dataset", DATASET, "--out", str(run), *TINY]
    with pytest.raises(SystemExit), process.exit_status("ramac"):
        train.main(argv)
    refused = capsys.readouterr().err
    assert "action is outside its space in 3 of 20 rows" in refused
    assert "--clip-actions" in refused and not run.exists()
    train.main([*argv, "--clip-actions"])
    line = (
        "the actions of 3 of 20 steps clipped to their bounds, which they exceeded by"
    )
    assert f"{line} up to 2\n" in capsys.readouterr().err
    (source,) = json.loads((run / "run.json").read_text())["datasets"]
    assert (source["clipped_steps"], source["largest_excess"]) == (3, 2.0)
    policy = load_policy(run / "checkpoint")
    assert [part.path for part in policy.spec.layout] == [("goal",), ("place",)]
    first = np.load(run / "monitored.npz")["start"]
    np.testing.assert_array_equal(first[0], [[1.0, 2.0, 0.0]] * 2)
    before = (run / "episodes.csv").read_text()
    evaluate.main([str(run), "--episodes", "2", "--horizon", "3"])
    assert (run / "episodes.csv").read_text() == before
