"""Turns next to other people's agents, and our cases of their sizes."""

import io
import itertools
import json
import subprocess
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from benchmarks.peers import command, comparison, ours, theirs, trainer, turns, worker
from benchmarks.peers.cases import CASES
from benchmarks.peers.checkouts import check_checkout, version
from benchmarks.peers.data import ACTION_DIM, OBSERVATION_DIM
from benchmarks.peers.jax_agents import build_fql
from benchmarks.peers.trainer import Trainer
from benchmarks.peers.workers import Worker
from benchmarks.throughput.operation_counts import update_flop
from tests.benchmarks.tiny import TINIEST

pytestmark = pytest.mark.slow

FAKE_AGENT = """
    from types import SimpleNamespace
    import flax, jax, jax.numpy as jnp

    def get_config():
        return SimpleNamespace(actor_hidden_dims=(8,), value_hidden_dims=(8,))

    def layers(*widths):
        return [(jnp.ones((x, y)), jnp.ones(y)) for x, y in zip(widths, widths[1:])]

    class FQLAgent(flax.struct.PyTreeNode):
        network: dict

        @classmethod
        def create(cls, seed, observations, actions, config):
            pair, size = observations.shape[1] + actions.shape[1], actions.shape[1]
            sizes = {
                "modules_actor_bc_flow": (pair + 1, *config.actor_hidden_dims, size),
                "modules_actor_onestep_flow": (pair, *config.actor_hidden_dims, size),
                "modules_critic": (pair, *config.value_hidden_dims, 1),
            }
            params = {name: layers(*widths) for name, widths in sizes.items()}
            both = params["modules_critic"]
            params["modules_critic"] = jax.tree.map(lambda x: jnp.stack([x, x]), both)
            return cls(network=SimpleNetwork(params=params))

        @jax.jit
        def update(self, batch):
            mean = batch["rewards"].mean()
            network = jax.tree.map(lambda x: x + mean, self.network)
            return self.replace(network=network), {"loss": mean}

        def sample_actions(self, observations, seed):
            return jnp.zeros(6)

    class SimpleNetwork(flax.struct.PyTreeNode):
        params: dict
"""
FAKE_DATA = """
    import numpy as np

    class ReplayBuffer(dict):
        @classmethod
        def create_from_initial_dataset(cls, data, size):
            assert size > len(data["rewards"]) and (data["masks"] == 1.0).all()
            return cls(data)

        def sample(self, rows):
            return {name: x[:rows] for name, x in self.items()}
"""


def fake_checkout(folder, agent=FAKE_AGENT):
    for name, text in (("agents/fql.py", agent), ("utils/datasets.py", FAKE_DATA)):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(textwrap.dedent(text))
    return folder


def count_layers(*widths):
    return sum((x + 1) * y for x, y in itertools.pairwise(widths))


def ours_of(case):
    """The numbers of parameters of our actor and critics, without the targets."""
    example = jnp.zeros((1, case.observation_dim)), jnp.zeros((1, case.action_dim))
    parts = case.build_actor(), case.build_critic()
    shapes = [jax.eval_shape(x.init, jax.random.key(0), *example) for x in parts]
    return [sum(leaf.size for leaf in jax.tree.leaves(x)) for x in shapes]


def constant_trainer(rate=2.0, learns=True):
    weights = {"actor": [np.zeros(3)], "critics": [np.zeros(4)]}

    def train(seconds):
        weights["actor"][0] += 1.0
        weights["critics"][0] += learns
        return rate

    return Trainer(
        train=train,
        act=lambda observation: np.zeros(ACTION_DIM),
        params=lambda: {name: [x.copy() for x in y] for name, y in weights.items()},
    )


def test_turns_alternate(monkeypatch):
    monkeypatch.setattr(turns, "PAUSE", 0.0)
    order = []
    calls = {x: lambda x=x: order.append(x) or len(order) for x in ("ours", "theirs")}
    found = turns.take_turns(calls, 3)
    assert order == ["ours", "theirs"] * 3
    assert found["ours"].tolist() == [1, 3, 5] and found["theirs"].tolist() == [2, 4, 6]


def test_ratios_are_those_of_neighbours():
    found = turns.ratios("x", np.array([4.0, 9.0, 2.0]), np.array([2.0, 3.0, 2.0]))
    assert found["x_pairs"] == [2.0, 3.0, 1.0]
    assert found["x"] == 2.0 and found["x_range"] == [1.0, 3.0]


@pytest.mark.parametrize(("name", "gflop"), [("fql", 1.84), ("diffusion-ql", 2.459)])
def test_flop_of_agents_with_plain_values(name, gflop):
    assert update_flop(CASES[name]) / 1e9 == pytest.approx(gflop, rel=1e-3)


def test_fql_has_our_sizes(tmp_path):
    agent = build_fql(fake_checkout(tmp_path))
    sizes = trainer.warm_up("FQL", agent)
    pair = OBSERVATION_DIM + ACTION_DIM
    hidden = (256, 256, 256, ACTION_DIM)
    student, critics = count_layers(pair, *hidden), 2 * count_layers(pair, 256, 256, 1)
    assert sizes["actor"] == count_layers(pair + 1, *hidden) + student
    # Our teacher embeds the time in 4 numbers, by two layers.
    embedding = count_layers(4, 8, 4)
    our_actor = count_layers(pair + 4, *hidden) + embedding + student
    assert ours_of(CASES["fql"]) == [our_actor, critics]
    assert sizes["critics"] == critics and our_actor / sizes["actor"] < 1.005
    assert agent.gigaflop > 0.0


def test_categorical_critics_are_those_of_the_tuned_presets():
    for name in ("radac-categorical", "rafmac-categorical"):
        case, wide = CASES[name], CASES[name.removesuffix("-categorical")]
        assert case.target_steps == 3 and case.independent_targets
        assert ours_of(case)[0] == ours_of(wide)[0]


def test_ours_trains_and_acts_as_one_of_a_population(monkeypatch):
    monkeypatch.setitem(CASES, "tiny", TINIEST)
    agent = ours.build_ours("tiny", 2)
    sizes = trainer.warm_up("tiny", agent)
    assert [sizes["actor"], sizes["critics"]] == ours_of(TINIEST)
    assert agent.gigaflop == update_flop(TINIEST) / 1e9
    monkeypatch.setattr(ours.Population, "rate", lambda self, seconds: 5.0)
    assert agent.train(1.0) == 10.0
    assert trainer.time_actions(agent, 3) > 0.0


def test_an_agent_that_does_not_learn_is_refused():
    with pytest.raises(rj.InputError, match="x does not train: its critics stays the"):
        trainer.warm_up("x", constant_trainer(learns=False))
    with pytest.raises(rj.InputError, match="x does not train: its critics is not fin"):
        trainer.warm_up("x", constant_trainer(learns=np.nan))


def test_a_worker_describes_its_agent_and_answers(monkeypatch):
    built = constant_trainer(rate=7.0)
    monkeypatch.setitem(worker.BUILDERS, "ours", lambda *words: built)
    requests, answers = io.StringIO('{"seconds": 1}\n{"calls": 2}\n'), io.StringIO()
    worker.serve(["", "ours", "fql", "1"], requests, answers)
    described, rate, action = map(json.loads, answers.getvalue().splitlines())
    assert described["parameters"] == {"actor": 3, "critics": 4}
    assert described["versions"]["jax"] == jax.__version__
    assert rate == {"found": 7.0} and 0.0 < action["found"] < 100.0


def test_other_errors_of_a_worker_are_one_line(monkeypatch):
    def build(*words):
        raise AttributeError("jax has no tree_map\nmore")

    monkeypatch.setitem(worker.BUILDERS, "theirs", build)
    answers = io.StringIO()
    worker.serve(["", "theirs", "FQL", "x"], io.StringIO(), answers)
    error = "FQL fails: AttributeError: jax has no tree_map"
    assert json.loads(answers.getvalue()) == {"error": error}


def test_a_process_trains_a_checkout_and_ends(tmp_path):
    words = ["", "theirs", "FQL", str(fake_checkout(tmp_path))]
    with Worker(words) as started:
        assert started.receive()["parameters"]["critics"] == 144_386
        assert started.ask(seconds=0.01) > 0.0 and started.ask(calls=2) > 0.0
    assert started.process.returncode == 0


def test_a_missing_package_is_the_error_of_the_process(tmp_path):
    clone = fake_checkout(tmp_path, "import nowhere_")
    expected = "seohongpark/fql needs the package nowhere_: pip install nowhere_"
    with (
        Worker(["", "theirs", "FQL", str(clone)]) as started,
        pytest.raises(rj.InputError, match=f"^{expected}$"),
    ):
        started.receive()


def test_a_process_that_dies_says_its_last_line(tmp_path):
    clone = fake_checkout(tmp_path, "import os; print('no memory'); os._exit(3)")
    with (
        Worker(["", "theirs", "FQL", str(clone)]) as started,
        pytest.raises(rj.InputError, match="the process of FQL ended: "),
    ):
        started.receive()


class FakeWorker:
    """A worker whose agent makes 6 updates/s, a peer's 2, a population's 8."""

    asked: list[str] = []

    def __init__(self, words):
        self.kind = words[1] if words[3] != "8" else "population"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def receive(self):
        counted = None if self.kind == "theirs" else 1.5
        sizes = {"actor": 1_000, "critics": 2_000}
        return {"parameters": sizes, "gigaflop": counted, "versions": {}}

    def ask(self, **request):
        self.asked.append(f"{self.kind} {next(iter(request))}")
        return {"ours": 6.0, "theirs": 2.0, "population": 8.0}[self.kind]


def test_the_record_has_both_agents_and_each_pair(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(turns, "PAUSE", 0.0)
    monkeypatch.setattr(comparison, "Worker", FakeWorker)
    monkeypatch.setattr(command, "check_checkout", lambda *arguments: None)
    clone, out = fake_checkout(tmp_path / "fql-0123abcd"), tmp_path / "peers.json"
    command.main(["--fql", str(clone), "--rounds", "2", "--out", str(out)])
    updates = [f"{x} seconds" for x in ("ours", "theirs", "population")]
    assert FakeWorker.asked == updates * 2 + ["ours calls", "theirs calls"] * 2
    record = json.loads(out.read_text())
    (found,) = record["comparisons"]
    assert found["case"] == "fql" and found["peer"] == "FQL"
    assert found["ratio_pairs"] == [3.0, 3.0] and found["population_ratio"] == 4.0
    assert found["agents"]["ours"]["ms_per_update"] == pytest.approx(1000 / 6)
    assert found["agents"]["theirs"]["commit"] == "0123abcd"
    assert found["agents"]["theirs"]["repository"] == "seohongpark/fql"
    printed = capsys.readouterr().out
    assert "3.00 3.00" in printed and "4.00 4.00" in printed and "0123abc" in printed


def test_a_package_that_only_a_peer_needs_is_looked_for_at_once(tmp_path):
    clone, packages = fake_checkout(tmp_path / "fql"), tmp_path / "packages"
    peer = theirs.PEERS["FQL"]._replace(packages={"nowhere_": "nowhere-pip"})
    needs = "^seohongpark/fql needs the package nowhere-pip: pip install nowhere-pip "
    with pytest.raises(rj.InputError, match=needs):
        check_checkout(peer, clone, None)
    (packages / "nowhere_").mkdir(parents=True)
    (packages / "nowhere_" / "__init__.py").touch()
    check_checkout(peer, clone, packages)


def test_a_version_is_a_commit_or_in_the_name(tmp_path):
    for name in ("fql", "fql-main", "fql-719d044"):
        (tmp_path / name).mkdir()
    assert version(tmp_path / "fql") == version(tmp_path / "fql-main") == "unknown"
    assert version(tmp_path / "fql-719d044") == "719d044"
    git = ["git", "-C", str(tmp_path / "fql")]
    subprocess.run([*git, "init", "-q"], check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    words = ["commit", "-q", "--allow-empty", "-m", "one"]
    subprocess.run([*git, *author, *words], check=True)
    assert len(version(tmp_path / "fql")) == 40


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "nothing to compare: give --fql, --flow-rl or --ramac"),
        ("--fql nowhere", "--fql nowhere has no agents/fql.py: give a checkout of seo"),
        ("--flow-rl .", "--flow-rl . has no flowrl/agent/offline/dql.py: give a check"),
        ("--ramac .", "--ramac . has no agents/radac.py: give a checkout of KaiFuk"),
        ("--packages nowhere", "--packages nowhere is no folder"),
        ("--population 0", "--population is 0: give 1 or more"),
        ("--seconds nan", "--seconds is nan: give more than 0"),
    ],
)
def test_bad_options_are_refused(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rj.InputError, match=f"^{message}"):
        command.main(words.split())
    assert not list(Path().iterdir())
