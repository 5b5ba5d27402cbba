"""The benchmark of fractions tells what the closed forms say."""

import json

import numpy as np
import pytest
from scipy.stats import norm

import ramac_jax as rj
from benchmarks import fractions
from ramac_jax.envs.bandit import CONSTANTS

COUNT, LEVEL = 4000, 0.1
GRID = (np.arange(280_000) + 0.5) / 280_000  # as many in each of 7 and of 8 strata


def ring_quantile(share):
    """The two normals of the ring are so far apart that each has shares of its own."""
    p, noise = CONSTANTS.penalty_probability, CONSTANTS.reward_noise
    low = CONSTANTS.penalty_reward + noise * norm.ppf(np.minimum(share / p, 1.0))
    high = CONSTANTS.ring_reward + noise * norm.ppf(
        np.maximum(share - p, 0.0) / (1.0 - p)
    )
    return np.where(share < p, low, high)


QUANTILES = {"normal": norm.ppf, "ring": ring_quantile}


def expected(name, kind, size):
    """CVaR and the standard deviation of its estimate, by quadrature."""
    read = QUANTILES[name](LEVEL * GRID)
    parts = read.reshape(size if kind == "stratified" else 1, -1)
    variance = parts.var(axis=1).mean() / size
    return read.mean(), np.sqrt(variance)


def test_quantiles_of_the_ring():
    share = np.array([1e-6, 0.01, 0.04, 0.06, 0.5, 0.999])
    found = fractions.ring_quantile(share)
    np.testing.assert_allclose(found, ring_quantile(share), atol=1e-6)


@pytest.mark.parametrize("name", QUANTILES)
def test_the_exact_value_is_that_of_quadrature(name):
    exact = fractions.RETURNS[name].cvar(LEVEL)
    assert exact == pytest.approx(expected(name, "free", 1)[0], abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "size"), [("free", 32), ("free", 8), ("stratified", 8), ("stratified", 7)]
)
@pytest.mark.parametrize("name", QUANTILES)
def test_estimates_scatter_as_the_closed_form_says(name, kind, size):
    draw = fractions.DRAWS[kind]
    seen = fractions.estimates(fractions.RETURNS[name], draw, size, LEVEL, COUNT, 0)
    mean, deviation = expected(name, kind, size)
    assert seen.std() == pytest.approx(deviation, rel=0.06)
    assert abs(seen.mean() - mean) < 5.0 * deviation / np.sqrt(COUNT) + 1e-6


def test_the_command_writes_what_it_prints(tmp_path, capsys):
    out = tmp_path / "new" / "found.json"
    words = ["--free", "4", "--stratified", "2", "--num-draws", "50"]
    fractions.main([*words, "--out", str(out)])
    record = json.loads(out.read_text())
    assert (record["level"], record["num_draws"]) == (0.1, 50)
    assert record["returns"].keys() == {"normal", "ring"}
    printed = capsys.readouterr().out
    for told in record["returns"].values():
        assert f"{told['cvar']:.4f}" in printed
        kinds = [(x["drawn"], x["fractions"]) for x in told["estimates"]]
        assert kinds == [("free", 4), ("stratified", 2)]
        for row in told["estimates"]:
            assert f"{row['standard_deviation']:.4f}" in printed
    assert record["git_commit"] and record["versions"]["jax"] and record["device"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--free 32 0", "--free holds 0: give 1 or more"),
        ("--stratified -1", "--stratified holds -1: give 1 or more"),
        ("--free --stratified", "nothing to draw: give --free or --stratified"),
        ("--level 0", "--level is 0: give one above 0 and below 1"),
        ("--level nan", "--level is nan"),
        ("--num-draws 1", "--num-draws is 1: give 2 or more"),
        ("--seed -1", "--seed is -1: give 0 or more"),
        ("--out /dev/null/x.json", "cannot write to /dev/null"),
    ],
)
def test_bad_options_are_refused_before_all_work(words, message, monkeypatch):
    monkeypatch.setattr(fractions, "measure", lambda *_: pytest.fail("it measured"))
    with pytest.raises(rj.InputError, match=message) as caught:
        fractions.main(words.split())
    assert "\n" not in str(caught.value)
