"""The benchmark of fractions agrees with closed forms."""

import json

import numpy as np
import pytest
from scipy.stats import norm

import ramac_jax as rj
from benchmarks import fractions
from ramac_jax.envs.bandit import CONSTANTS

COUNT, LEVEL = 4000, 0.1
GRID = (np.arange(280_000) + 0.5) / 280_000  # divides into 7 and into 8 equal strata


def ring_quantile(fraction):
    """Quantiles of the ring's two normals, which are too far apart to overlap."""
    p, noise = CONSTANTS.penalty_probability, CONSTANTS.reward_noise
    low = CONSTANTS.penalty_reward + noise * norm.ppf(np.minimum(fraction / p, 1.0))
    high = CONSTANTS.ring_reward + noise * norm.ppf(
        np.maximum(fraction - p, 0.0) / (1.0 - p)
    )
    return np.where(fraction < p, low, high)


QUANTILES = {"normal": norm.ppf, "ring": ring_quantile}


def expected(name, kind, size):
    """CVaR and the standard deviation of its estimate, by quadrature."""
    read = QUANTILES[name](LEVEL * GRID)
    parts = read.reshape(size if kind == "stratified" else 1, -1)
    variance = parts.var(axis=1).mean() / size
    return read.mean(), np.sqrt(variance)


def test_quantiles_of_the_ring_have_a_closed_form():
    fraction = np.array([1e-6, 0.01, 0.04, 0.06, 0.5, 0.999])
    found = fractions.ring_quantile(fraction)
    np.testing.assert_allclose(found, ring_quantile(fraction), atol=1e-6)


@pytest.mark.parametrize("name", QUANTILES)
def test_the_exact_cvar_agrees_with_quadrature(name):
    exact = fractions.RETURNS[name].cvar(LEVEL)
    assert exact == pytest.approx(expected(name, "free", 1)[0], abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "size"), [("free", 32), ("free", 8), ("stratified", 8), ("stratified", 7)]
)
@pytest.mark.parametrize("name", QUANTILES)
def test_the_deviation_of_estimates_agrees_with_quadrature(name, kind, size):
    draw = fractions.DRAWS[kind]
    seen = fractions.estimates(fractions.RETURNS[name], draw, size, LEVEL, COUNT, 0)
    mean, deviation = expected(name, kind, size)
    assert seen.std() == pytest.approx(deviation, rel=0.06)
    assert abs(seen.mean() - mean) < 5.0 * deviation / np.sqrt(COUNT) + 1e-6


def test_the_record_agrees_with_the_table(tmp_path, capsys):
    out = tmp_path / "new" / "found.json"
    words = ["--free", "4", "--stratified", "2", "--num-draws", "50"]
    fractions.main([*words, "--out", str(out)])
    record = json.loads(out.read_text())
    assert (record["level"], record["num_draws"]) == (0.1, 50)
    assert record["returns"].keys() == {"normal", "ring"}
    printed = capsys.readouterr().out
    for result in record["returns"].values():
        assert f"{result['cvar']:.4f}" in printed
        kinds = [(x["drawn"], x["fractions"]) for x in result["estimates"]]
        assert kinds == [("free", 4), ("stratified", 2)]
        for row in result["estimates"]:
            assert f"{row['standard_deviation']:.4f}" in printed
    assert record["git_commit"] and record["versions"]["jax"] and record["device"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--free 32 0", "--free holds 0: give 1 or more"),
        ("--stratified -1", "--stratified holds -1: give 1 or more"),
        ("--free --stratified", "no fractions: give --free or --stratified"),
        ("--level 0", "--level is 0: give one above 0 and below 1"),
        ("--level nan", "--level is nan"),
        ("--num-draws 1", "--num-draws is 1: give 2 or more"),
        ("--seed -1", "--seed is -1: give 0 or more"),
        ("--out /dev/null/x.json", "cannot write to /dev/null"),
    ],
)
def test_bad_options_are_refused_before_the_measurement(words, message, monkeypatch):
    monkeypatch.setattr(
        fractions, "measure", lambda *_: pytest.fail("it starts the measurement")
    )
    with pytest.raises(rj.InputError, match=message) as caught:
        fractions.main(words.split())
    assert "\n" not in str(caught.value)
