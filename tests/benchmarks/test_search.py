"""The benchmark of the search: its surfaces, its figures and its record."""

import json
from pathlib import Path

import numpy as np
import optuna
import pytest

import ramac_jax as rj
from benchmarks.search import command
from benchmarks.search.curves import best_so_far, curves_on, summary
from benchmarks.search.surfaces import SPACE, SURFACES

RESULTS = Path(__file__).parents[2] / "benchmarks/results"
FEW = {"trials": 16, "batch": 8, "seeds": range(3)}


def draws(size):
    """x, y and level, drawn evenly from the whole space."""
    generator, columns = np.random.default_rng(0), []
    for span in SPACE.values():
        ends = np.log10([span.low, span.high]) if span.log else (span.low, span.high)
        columns.append(generator.uniform(*ends, size))
    return columns


@pytest.mark.parametrize("name", SURFACES)
def test_the_known_maximum_is_1_and_nothing_is_above_it(name):
    surface = SURFACES[name]
    assert surface.value(*map(np.array, surface.maximum)) == pytest.approx(1.0)
    values = surface.value(*draws(100_000))
    assert values.min() >= 0.0 and 0.98 < values.max() <= 1.0


def test_an_averse_level_needs_a_smaller_weight_on_the_ridge():
    x = np.linspace(-3.0, 0.0, 3001)
    peaks = [
        x[np.argmax(SURFACES["ridge"].value(x, np.full(x.shape, -3.5), level))]
        for level in (0.1, 0.5, 1.0)
    ]
    assert peaks == pytest.approx([-1.9, -1.5, -1.0], abs=1e-3)


def test_the_cliff_is_steep_and_a_fast_critic_falls_earlier():
    value = SURFACES["cliff"].value
    edge = np.array([-0.8, -0.8 - 1e-6, -0.8 + 1e-6])
    assert value(edge, -3.5, 0.3) == pytest.approx([1.0, 1.0, 0.0], abs=1e-5)
    assert value(np.array(-0.9), -3.0, 0.3) == 0.0
    assert value(np.array(-0.9), -3.5, 0.3) > 0.9


def test_most_of_the_plateau_is_as_good_as_its_middle():
    x = np.linspace(-1.9, -1.1, 9)
    assert SURFACES["plateau"].value(x, x - 2.0, 0.2).min() > 0.95
    assert SURFACES["plateau"].value(np.array(-2.5), -3.5, 0.2) < 0.01


def test_the_selected_trial_counts_by_its_expected_score():
    """The second round has the highest scores, by luck: 0 is expected of it."""
    rounds = iter([(0.5, 0.9), (0.7, 0.0)])

    def score(round_):
        score, expected = next(rounds)
        return np.full(2, score), np.full(2, expected)

    study = optuna.create_study(direction="maximize")
    found = best_so_far(study, SPACE, score, trials=4, batch=2)
    assert found.tolist() == [0.9, 0.9, 0.0, 0.0]
    again = best_so_far(study, SPACE, score, trials=4, batch=2)  # asks no more
    assert again.tolist() == found.tolist()


def test_noise_changes_what_is_told_and_not_what_it_is_worth():
    found = curves_on("plateau", "random", **FEW)
    assert found.shape == (3, 16) and found.max() <= 1.0
    clear = curves_on("ridge", "random", **FEW)
    assert np.all(np.diff(clear, axis=1) >= 0.0)


def test_batches_of_random_draws_lose_nothing():
    one, other = (
        curves_on("cliff", "random", trials=16, batch=batch, seeds=range(3))
        for batch in (1, 8)
    )
    assert one.tolist() == other.tolist()


def test_the_share_is_the_first_trial_that_reaches_random_draws():
    random = np.array([[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.5, 0.6]])
    better = np.array([[0.1, 0.6, 0.6, 0.8], [0.2, 0.5, 0.7, 0.7]])
    found = summary(better, random)
    assert (found["best"], found["share"]) == (pytest.approx(0.75), 0.5)
    assert found["standard_error"] == pytest.approx(0.05)
    rough = np.random.default_rng(0).random((48, 64)).cumsum(axis=1)
    assert summary(rough, rough)["share"] == 1.0
    worse = summary(random - 0.2, random)
    assert worse["share"] is None
    assert summary(random[:1], random[:1])["standard_error"] is None


def test_the_record_agrees_with_the_table(tmp_path, capsys):
    out = tmp_path / "new" / "found.json"
    words = "--surfaces ridge --samplers random tpe --trials 16 --repetitions 2"
    command.main([*words.split(), "--out", str(out)])
    record = json.loads(out.read_text())
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 searches of 16 trials, in batches of 8 and one by one" in printed
    assert [x["sampler"] for x in record["rows"]] == ["random", "tpe"]
    for row in record["rows"]:
        assert f"{row['batches']['best']:.3f}" in printed
        assert len(row["batches"]["mean_best"]) == 2
    assert record["rows"][0]["loss_of_batches"] == 0.0
    assert record["git_commit"] and record["versions"]["optuna"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--surfaces hill", "unknown surface 'hill'"),
        ("--surfaces", "--surfaces has no value"),
        ("--samplers tpee", "unknown sampler 'tpee'.*tpe"),
        ("--trials 0", "--trials is 0: give 1 or more"),
        ("--batch 65", "--batch is 65 of 64 trials: give fewer"),
        ("--repetitions 0", "--repetitions is 0: give 1 or more"),
        ("--out /dev/null/x.json", "cannot write to /dev/null"),
    ],
)
def test_bad_options_are_refused_before_the_measurement(words, message, monkeypatch):
    monkeypatch.setattr(
        command, "measure", lambda *_: pytest.fail("it starts the measurement")
    )
    with pytest.raises(rj.InputError, match=message) as caught:
        command.main(words.split())
    assert "\n" not in str(caught.value)


def test_the_recorded_searches_meet_the_targets_and_are_those_of_the_table():
    """TPE beats random draws, with .6 of their trials; batches cost 10 % at most."""
    record = json.loads((RESULTS / "search.json").read_text())
    rows = {(x["surface"], x["sampler"]): x for x in record["rows"]}
    assert [*rows] == [(x, y) for x in SURFACES for y in command.SAMPLERS]
    table = (RESULTS.parent / "README.md").read_text()
    for (surface, sampler), row in rows.items():
        assert f"| {surface} | {' | '.join(command.cells(row))} |" in table
        if sampler == "tpe":
            random = rows[surface, "random"]["batches"]["best"]
            assert row["batches"]["best"] > random
            assert row["batches"]["share"] <= 0.6
            assert row["loss_of_batches"] <= 0.1 * row["one_by_one"]["best"]
    assert record["repetitions"] >= 24
