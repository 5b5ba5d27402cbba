"""What is ours of the comparison with other libraries' critics: data and reading."""

import functools
import json
from pathlib import Path

import jax
import numpy as np
import pytest

import ramac_jax as rj
from benchmarks import packages
from benchmarks.tails import laws, training, truth
from benchmarks.tails.peers import command, problem
from benchmarks.tails.peers.problem import FRACTIONS, Problem, Settings


def problem_of(law):
    recording = training.record_steps(law, 16, 32, 0)
    return Problem(law, training.make_dataset(law, recording))


def drawn(law, **settings):
    chosen = Settings(batch_size=256, **settings)
    return problem.draw_batch(problem_of(law), chosen, jax.random.key(0))


def test_quantiles_are_steps_of_equal_width():
    read = problem.read_steps(np.array([[1.0, 3.0]]))
    assert read.shape == (1, len(FRACTIONS))
    assert truth.statistics(read[0]) == pytest.approx((2.0, 1.0, 1.0))


def test_atoms_are_read_as_often_as_they_are_probable():
    read = problem.read_atoms(np.array([-5.0, 1.0]), np.array([[0.02, 0.98]]))
    exact = (0.88, 6.0 * np.sqrt(0.02 * 0.98), 0.2 * -5.0 + 0.8)
    assert truth.statistics(read[0]) == pytest.approx(exact)


def test_probabilities_that_sum_to_less_by_rounding_are_read():
    read = problem.read_atoms(np.array([0.0, 1.0]), np.array([0.5, 0.499]))
    assert read[-1] == 1.0


def test_a_batch_joins_discounted_rewards():
    batch = drawn(laws.chain([1.0], [1.0], 0.5), target_steps=3)
    np.testing.assert_allclose(batch.reward / (1.0 - batch.discount), 2.0)
    assert np.isclose(batch.discount, 0.125).mean() > 0.8  # not the end of the record
    assert batch.reward.shape == batch.terminated.shape == (256, 1)


def test_a_batch_of_single_steps_has_the_discount_of_the_law():
    batch = drawn(laws.ending_penalty())
    np.testing.assert_allclose(batch.discount, 0.99, rtol=1e-6)
    np.testing.assert_array_equal(batch.terminated == 1.0, batch.reward == -5.0)


def test_next_actions_are_those_of_the_uniform_policy():
    action = np.asarray(drawn(laws.hazard()).next_action)
    assert set(action.ravel()) == {-1.0, 1.0} and abs(action.mean()) < 0.2
    assert set(np.ravel(drawn(laws.noisy("normal")).next_action)) == {-1.0}


def test_batches_are_those_of_their_seed():
    here, settings = problem_of(laws.noisy("normal")), Settings(batch_size=2)
    draw = functools.partial(problem.batches, here, settings, problem.CHUNK + 1)
    one, two, other = (list(draw(seed)) for seed in (0, 0, 1))
    assert len(one) == problem.CHUNK + 1 and isinstance(one[0].reward, np.ndarray)
    np.testing.assert_array_equal(one[-1].reward, two[-1].reward)
    assert (one[-1].reward != other[-1].reward).all()
    assert (one[-1].reward != one[-2].reward).all()


def test_the_record_has_the_truth_settings_and_sources(tmp_path, monkeypatch, capsys):
    def learn(problem, settings, updates, seed, clone):
        assert clone == tmp_path and updates == 7 and settings.target_steps == 4
        return np.full((len(problem.law.starts), 1000), 2.0 + seed)

    monkeypatch.setattr(training, "NUM_WALKERS", 8)
    monkeypatch.setattr(command.command, "NUM_EPISODES", 1000)
    monkeypatch.setitem(command.PEERS, "fake", command.Peer(learn, "oraac"))
    out = tmp_path / "peers.json"
    words = "--laws hazard --peers fake --updates 7 --target-steps 4 --seeds 2"
    command.main([*words.split(), "--oraac", str(tmp_path), "--out", str(out)])
    record = json.loads(out.read_text())
    assert [x["law"] for x in record["laws"]] == ["hazard, safe", "hazard, risky"]
    row = record["laws"][1]["critics"][0]
    assert row["name"] == "fake" and not row["default"]
    assert (row["mean"], row["std"], row["cvar"]) == (2.5, 0.0, 2.5)
    assert row["settings"]["target_steps"] == 4
    assert "nuria95/O-RAAC" in record["sources"] and "d3rlpy" in record["sources"]
    assert "fake" in capsys.readouterr().out


def test_clones_with_packages_of_the_same_name_are_told_apart(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name / "agents").mkdir(parents=True)
        (tmp_path / name / "agents" / "critic.py").write_text(f"NAME = {name!r}")
        monkeypatch.chdir(tmp_path)
        module = packages.import_from(Path(name), "agents.critic", name)
        assert name == module.NAME
    with pytest.raises(rj.InputError, match="has no folder agents: give a clone of X"):
        packages.import_from(tmp_path, "agents.critic", "X")
    assert packages.commit(tmp_path) is None


def test_a_missing_package_is_one_line():
    with pytest.raises(rj.InputError, match="d3 needs the package nowhere_: pip inst"):
        packages.import_package("nowhere_.models", "d3")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--laws normale", "unknown law 'normale'"),
        ("--peers RAMCA", "unknown peer 'RAMCA': did you mean RAMAC"),
        ("--peers RAMAC", "RAMAC needs --ramac: give a clone of KaiFukazawa/RAMAC"),
        ("--target-steps 0", "--target-steps is 0: give 1 or more"),
        ("--learning-rate 0", "--learning-rate is 0.0: give more than 0, at most 1"),
        ("--target-rate nan", "--target-rate is nan: give more than 0, at most 1"),
    ],
)
def test_bad_input_is_refused_before_any_work(tmp_path, words, message):
    out = tmp_path / "new" / "peers.json"
    with pytest.raises(rj.InputError, match=message):
        command.main([*words.split(), "--out", str(out)])
    assert not out.parent.exists()
