"""The laws of the return, the records of them, and what the command writes."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import norm

import ramac_jax as rj
from benchmarks.tails import command, laws, training, truth
from benchmarks.tails.command import main
from benchmarks.tails.critics import CRITICS, DEFAULT, Settings
from benchmarks.tails.figure import draw
from ramac_jax.cli.options.presets import PRESETS

pytestmark = pytest.mark.slow

EPISODES = 20_000


def simulated(law, state=0, action=0):
    return truth.measure(truth.simulate_returns(law, state, action, EPISODES, 0))


def assert_within_errors(found, expected):
    """Four standard errors, and what the rewards after the last one may add."""
    statistics, errors = found
    for name, value in expected.items():
        allowed = 4.0 * getattr(errors, name) + 1e-3
        assert abs(getattr(statistics, name) - value) < allowed, name


@pytest.mark.parametrize(
    ("atoms", "probabilities"),
    [([0.3, -5.0], [0.98, 0.02]), ([100.0, 101.0], [0.5, 0.5])],
)
def test_a_chain_has_the_mean_and_deviation_of_its_series(atoms, probabilities):
    """E r / (1 - gamma), and std(r) / sqrt(1 - gamma^2)."""
    law = laws.chain(atoms, probabilities, 0.9)
    mean = np.dot(atoms, probabilities)
    variance = np.dot(np.square(atoms), probabilities) - mean**2
    std = np.sqrt(variance / (1.0 - 0.81))
    assert_within_errors(simulated(law), {"mean": mean / 0.1, "std": std})


def test_normal_rewards_have_a_normal_return():
    law = laws.noisy("normal")._replace(discount=0.9)
    std = 1.0 / np.sqrt(1.0 - 0.81)
    cvar = -std * norm.pdf(norm.ppf(0.1)) / 0.1
    assert_within_errors(simulated(law), {"mean": 0.0, "std": std, "cvar": cvar})


def test_the_scale_of_rewards_is_that_of_the_return():
    one, ten = laws.rare_penalty(1.0), laws.rare_penalty(10.0)
    returns = [truth.simulate_returns(x, 0, 0, 500, 0) for x in (one, ten)]
    np.testing.assert_allclose(10.0 * returns[0], returns[1])


def test_an_ending_penalty_is_the_mean_of_its_recursion():
    """V = .98 (.3 + gamma V) - .02 5."""
    mean = (0.98 * 0.3 - 0.1) / (1.0 - 0.98 * 0.99)
    assert_within_errors(simulated(laws.ending_penalty()), {"mean": mean})


def test_a_late_penalty_is_the_mean_of_its_recursion():
    """Each of nine states is left with probability .9: W(x) = .1 + gamma(...)."""
    value = 0.95 - 0.5
    for _ in range(9):
        value = (0.1 + 0.9 * 0.99 * value) / (1.0 - 0.1 * 0.99)
    assert_within_errors(simulated(laws.late_penalty()), {"mean": value})


def test_the_risky_action_of_the_hazard_is_better_on_average_and_worse_in_the_tail():
    safe, risky = (simulated(laws.hazard(), 0, action)[0] for action in (0, 1))
    assert risky.mean > safe.mean and risky.cvar < safe.cvar


def test_a_careful_policy_takes_the_risk_one_time_in_twenty():
    """The first action is safe, .1; then .95 of .1 and .05 of .184, for ever."""
    later = 0.95 * 0.1 + 0.05 * (0.96 * 0.4 - 0.04 * 5.0)
    careful = laws.careful_policy()
    assert_within_errors(simulated(careful), {"mean": 0.1 + 0.99 / 0.01 * later})
    recorded = training.record_steps(careful, 50, 40, 0).action
    assert abs(recorded.mean() - 0.5) < 0.05  # the data are the uniform policy's
    drawn = training.draw_actions(careful, jax.random.key(0), (2000, 1))
    assert abs(jnp.mean(drawn > 0.0) - 0.05) < 0.02


def test_the_cvar_of_equally_likely_returns_is_the_mean_of_the_worst():
    found = truth.statistics(np.arange(100.0))
    assert found.cvar == pytest.approx(4.5) and found.mean == pytest.approx(49.5)


def test_recorded_walkers_are_the_rows_of_a_dataset_one_after_the_other():
    """Two walkers of three steps; the episode of the first ends with the second."""
    ends = np.array([[False, False], [True, False], [False, False]])
    state = np.zeros((3, 2), int)
    reward = np.array([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
    recording = training.Recording(state, state, reward, state, ends)
    dataset = training.make_dataset(laws.rare_penalty(1.0), recording)
    np.testing.assert_array_equal(dataset.reward, [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(dataset.terminated, [0, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(dataset.steps, [2, 1, 1, 3, 2, 1])


def test_recorded_walkers_follow_the_law():
    recording = training.record_steps(laws.late_penalty(), 2000, 40, 0)
    moved = recording.next_state[recording.state == 4] == 5
    assert moved.mean() == pytest.approx(0.9, abs=0.01)
    last = recording.state == 9
    assert recording.ends[last].all() and not recording.ends[~last].any()
    assert (recording.reward[last] < 0.0).mean() == pytest.approx(0.05, abs=0.01)
    restarted = recording.state[1:][recording.ends[:-1]]
    assert not restarted.any()


@pytest.mark.parametrize("critic", ["categorical", "quantile"])
def test_a_critic_reads_rewards_in_their_own_unit(critic, monkeypatch):
    """At a discount of 0 every return is the next reward: 1 or 2."""
    monkeypatch.setattr(training, "WIDTH", 16)
    law = laws.chain([1.0, 2.0], [0.5, 0.5], 0.0)
    dataset = training.make_dataset(law, training.record_steps(law, 64, 16, 0))
    settings = Settings(
        critic, 1, 8, 2, num_atoms=16, huber_threshold=0.1, reward_scale=None
    )
    read = training.learn_quantiles(
        law, settings, dataset, num_updates=600, num_seeds=1
    )
    assert read.shape == (1, 1, training.NUM_FRACTIONS)
    assert read[0, 0, 100:300].mean() == pytest.approx(1.0, abs=0.15)
    assert read[0, 0, 700:900].mean() == pytest.approx(2.0, abs=0.15)


def test_more_steps_than_an_episode_has_are_refused(monkeypatch):
    monkeypatch.setattr(training, "NUM_STEPS", 9)
    monkeypatch.setattr(command, "NUM_EPISODES", 1000)
    with pytest.raises(rj.InputError, match="the longest episode has 9 steps"):
        main("--laws normal --critics".split() + ["categorical, 10 steps"])


def test_the_record_has_the_truth_and_every_critic(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "WIDTH", 8)
    monkeypatch.setattr(training, "NUM_WALKERS", 8)
    out, figure = tmp_path / "new" / "tails.json", tmp_path / "tails.png"
    words = "--atoms 0.3 -5 --probabilities 0.98 0.02 --discount 0.9 --updates 2"
    chosen = ["--critics", DEFAULT, "paper", "--seeds", "2"]
    files = ["--out", str(out), "--figure", str(figure)]
    main([*words.split(), *chosen, *files])
    record = json.loads(out.read_text())
    assert record["truth"]["mean"] == pytest.approx(1.94, abs=0.05)
    assert [row["name"] for row in record["critics"]] == [DEFAULT, "paper"]
    assert [row["default"] for row in record["critics"]] == [True, False]
    for row in record["critics"]:
        assert row["mean"] == pytest.approx(np.mean(row["quantiles"]))
        assert row["cvar"] == pytest.approx(np.mean(row["quantiles"][:10]))
        assert row["updates"] == 2 and row["seconds"] > 0.0
        assert len(row["seeds"]) == 2 and row["settings"]["num_critics"] == 2
    printed = capsys.readouterr()
    assert f"{DEFAULT} (default)" in printed.out
    assert "2 updates leave 99% of the first error of any critic" in printed.err
    assert figure.stat().st_size


def test_a_critic_has_one_colour_in_all_panels(monkeypatch, tmp_path):
    """Where some laws lack some critics."""
    drawn = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, path, dpi: drawn.append(figure)
    )
    laws_of = {"one": ["a", "b"], "two": ["b", "c"]}
    found = [
        {
            "law": law,
            "truth_quantiles": [0.0, 1.0],
            "critics": [{"name": x, "quantiles": [0.0, 2.0]} for x in names],
        }
        for law, names in laws_of.items()
    ]
    draw(tmp_path / "tails.png", found)
    (figure,) = drawn
    colours = {}
    for panel in figure.axes:
        for line in panel.get_lines():
            colours.setdefault(line.get_label(), set()).add(line.get_color())
    assert all(len(x) == 1 for x in colours.values())
    assert len(set().union(*colours.values())) == 4  # a, b, c and the truth
    labels = [x.get_text() for x in figure.legends[0].get_texts()]
    assert labels == ["a", "b", "c", "truth"]


@pytest.mark.parametrize("agent", ["radac", "rafmac"])
def test_the_default_has_the_settings_of_the_tuned_presets(agent):
    preset = PRESETS[f"hopper-medium-expert/{agent}"]
    default = CRITICS[DEFAULT]._asdict()
    of_others = {"huber_threshold", "num_cosines", "reward_scale"}
    decisive = default.keys() - of_others
    assert {x: default[x] for x in decisive} == {x: preset[x] for x in decisive}


ATOMS = "--atoms 1 2 --probabilities "


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--laws normale", "unknown law 'normale': did you mean normal"),
        ("--critics papr", "unknown critic 'papr': did you mean paper"),
        ("--updates 0", "--updates is 0: give 1 or more"),
        ("--seeds 0", "--seeds is 0: give 1 or more"),
        ("--laws", "--laws has no value: give at least one"),
        ("--atoms 1", "give --atoms and --probabilities together"),
        ("--discount 0.9", "--discount is that of --atoms: give them too"),
        ("--laws normal " + ATOMS + "0.5 0.5", "give --laws or --atoms, not both"),
        (ATOMS + "1", "2 atoms and 1 probabilities"),
        (ATOMS + "0.5 0.6", "probabilities sum to 1.1: give some that sum to 1"),
        (ATOMS + "1.5 -0.5", "give none below 0"),
        (ATOMS + "nan 1", "give none below 0"),
        (ATOMS + "0.5 0.5 --discount 1", "the discount is 1 and the chain never ends"),
        (ATOMS + "0.5 0.5 --discount nan", "the discount is nan: give 0 or more"),
        ("--atoms inf 1 --probabilities 0.5 0.5", "give rewards from -1e"),
        ("--atoms 1e39 1 --probabilities 0.5 0.5", "give rewards from -1e"),
        ("--figure tails.pdf", "--figure is tails.pdf: give a .png file"),
    ],
)
def test_bad_input_is_refused_before_any_work(tmp_path, words, message):
    out = tmp_path / "new" / "tails.json"
    with pytest.raises(rj.InputError, match=message):
        main([*words.split(), "--out", str(out)])
    assert not out.parent.exists()
