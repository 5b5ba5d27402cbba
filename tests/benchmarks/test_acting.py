"""The benchmark of single actions."""

import contextlib
import json
import types

import numpy as np
import pytest

import ramac_jax as rj
from benchmarks import acting, release

pytestmark = pytest.mark.slow

RELEASE = """
import numpy as np

class RAFMAC:
    def __init__(self, state_dim, action_dim, max_action, device, discount, tau,
                 flow_steps):
        assert (state_dim, action_dim, device, flow_steps) == (11, 3, "cpu", 2)
        self.size = action_dim

    def sample_action(self, state):
        assert state.shape in [(11,), (3, 11)] and state.dtype == np.float32
        return np.ones((*state.shape[:-1], self.size))

class RADAC(RAFMAC):
    def __init__(self, *, beta_schedule, n_timesteps, n_quantiles, embedding_dim,
                 **rest):
        super().__init__(flow_steps=n_timesteps, **rest)
        self.actor = self

    def sample_action(self, state):
        assert state.shape == (11,)
        return super().sample_action(state)

    def sample(self, state):
        assert state.without_gradients
        return state
"""
"""The names that the benchmark uses of the release's two agents."""


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder that plays the clone, and a module that plays PyTorch."""
    folder = tmp_path / "ramac"
    (folder / "agents").mkdir(parents=True)
    for name in acting.AGENTS:
        (folder / "agents" / f"{name}.py").write_text(RELEASE)
    torch = types.SimpleNamespace(threads=None, depth=0)

    @contextlib.contextmanager
    def no_grad():
        torch.depth += 1
        yield
        torch.depth -= 1

    def from_numpy(array):
        found = np.ones((len(array), 3))
        return types.SimpleNamespace(
            numpy=lambda: found, without_gradients=torch.depth > 0
        )

    torch.set_num_threads = lambda count: setattr(torch, "threads", count)
    torch.no_grad, torch.from_numpy = no_grad, from_numpy
    monkeypatch.setattr(release, "import_package", lambda *_: torch)
    return types.SimpleNamespace(folder=folder, torch=torch)


def test_every_way_is_timed_and_the_deadline_is_counted(
    tmp_path, monkeypatch, capsys, clone
):
    options = {"num_steps": 2, "widths": (8,)}
    monkeypatch.setattr(acting, "AGENTS", {"rafmac": ("flow", options)})
    critic = {"low": -1.0, "high": 1.0, "widths": (8, 8), "num_atoms": 5}
    monkeypatch.setattr(acting, "CRITIC", acting.CRITIC._replace(options=critic))
    words = "--batches 1 3 --calls 3 --rounds 2 --candidates 2 --control-actions 4"
    files = ["--out", str(tmp_path / "acting.json"), "--ramac", str(clone.folder)]
    acting.main([*words.split(), *files])
    assert "microseconds of a call" in capsys.readouterr().out
    record = json.loads((tmp_path / "acting.json").read_text())
    rows = record["rows"]
    assert [(x["batch"], x["way"]) for x in rows[:5]] == [
        (1, "JAX"),
        (1, "StableHLO"),
        (1, "ONNX Runtime"),
        (1, "PyTorch release"),
        (3, "JAX"),
    ]
    assert [x["calls"] for x in rows] == [6] * 8 + [4] * 3
    assert all(0 < x["median_us"] <= x["p99_us"] for x in rows)
    assert {x["candidates"] for x in rows[8:]} == {2}
    assert all(0 <= x["share_within_deadline"] <= 1 for x in rows[8:])
    assert record["usable_cores"] >= 1 and release.REPOSITORY in record["sources"]


@pytest.mark.parametrize("agent", ["radac", "rafmac"])
def test_the_release_acts_on_one_thread(agent, clone):
    act = release.build_release(clone.folder, agent, 11, 3, 2)
    for rows in (1, 3):
        observation = np.zeros((rows, 11), np.float32)
        np.testing.assert_array_equal(act(observation), np.ones((rows, 3)))
    assert clone.torch.threads == 1


def test_without_a_clone_only_our_ways_have_a_source():
    assert release.REPOSITORY not in release.sources(None)
    row = {"agent": "rafmac", "candidates": 1, "batch": 1, "median_us": 2.0}
    ours, theirs = row | {"way": "JAX"}, row | {"way": release.NAME, "median_us": 8.0}
    assert release.share_of_release(ours, [ours, theirs]) == 0.25
    assert release.share_of_release(ours, [ours, theirs | {"batch": 16}]) is None


def test_a_folder_that_is_no_clone_is_refused(tmp_path):
    message = "has no folder agents: give a clone of KaiFukazawa/RAMAC"
    with pytest.raises(rj.InputError, match=message):
        acting.main(["--ramac", str(tmp_path)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--calls 0", "--calls is 0: give 1 or more"),
        ("--batches 0", "--batches holds 0: give 1 or more"),
        ("--control-actions 0", "--control-actions is 0: give 1 or more"),
    ],
)
def test_bad_options_are_refused(words, message):
    with pytest.raises(rj.InputError, match=message):
        acting.main(words.split())
