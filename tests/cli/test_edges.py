"""A best value at the edge of those tried is pointed out."""

import math

import pytest

from ramac_jax.cli.options.sweep import parse
from ramac_jax.cli.reporting.sweep_tables import COLUMNS
from ramac_jax.cli.runs.edges import remark_on_edge
from ramac_jax.cli.runs.outcome import Outcome
from ramac_jax.cli.runs.search import make_search
from ramac_jax.cli.runs.tried import Tried


@pytest.mark.parametrize(
    ("values", "best", "remark"),
    [
        ([0.1, 0.2, 0.3], 0.3, "the largest that was tried, 0.3: larger ones"),
        ([4, 2, 3, 2], 2, "the least that was tried, 2: lower ones"),
        ([0.1, 0.2, 0.3], 0.2, None),
        ([0.1, 0.2, 0.1], 0.2, None),  # of two values each is an edge
        (["a", "b", "c"], "c", None),
        ([False, True, None], True, None),
    ],
)
def test_an_edge_is_the_least_or_largest_of_three_numbers(values, best, remark):
    found = remark_on_edge("n", values, best)
    assert found == (remark and f"The best n is {remark} were not.")


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("risk_level", [0.1, 0.5, 1.0], 1.0),
        ("risk_weight", [0.0, 0.1, 1.0], 0.0),
        ("discount", [0.9, 0.99, 1.0], 1.0),
        ("sampler_steps", [1, 2, 5], 1),
    ],
)
def test_there_is_nothing_beyond_the_bound_of_a_parameter(name, values, best):
    assert remark_on_edge(name, values, best) is None
    other = max(values) if best == min(values) else min(values)
    assert remark_on_edge(name, values, other) is not None


def outcome(grid, score, *, stopped=()):
    """Settings of a grid, each with the score of its label as every figure.

    Those that a pruner `stopped` are reported nowhere.
    """
    words = f"--out x --dataset y --num-seeds 2 --grid {grid}"
    search = make_search(parse(words.split()))
    tried = []
    for number, label in search.labels.items():
        figures = {name: [score(label)] for name in COLUMNS}
        reported = {} if label in stopped else figures
        tried.append(Tried(number, label, 1, figures, reported, [None, None]))
    return Outcome.of(search, tried)


def test_a_sweep_remarks_on_each_parameter_at_an_edge():
    grid = "risk_weight=1,2,3 sampler_steps=2,5,7 actor=flow,diffusion"
    parts = ("risk_weight=3", "sampler_steps=5", "actor=flow")
    found = outcome(grid, lambda label: float(all(x in label for x in parts)))
    assert all(x in found.best.label for x in parts)
    assert found.remarks == [
        "The best risk_weight is the largest that was tried, 3: larger ones were not."
    ]


def test_settings_that_were_stopped_were_tried():
    stopped = ("risk_weight=3", "risk_weight=4")
    found = outcome(
        "risk_weight=1,2,3,4",
        lambda label: float(label[-1]) * (label not in stopped),
        stopped=stopped,
    )
    assert found.best.label == "risk_weight=2" and found.remarks == []


def test_a_setting_without_finite_figures_has_no_edge():
    found = outcome("risk_weight=1,2,3", lambda label: math.nan)
    assert found.remarks == []


def test_no_best_setting_has_no_edge():
    found = outcome("risk_weight=1,2,3 --max-risky .1", lambda label: 0.5)
    assert found.best is None
    assert found.remarks == [
        "No setting has a share of risky steps of 0.1 or less, so best/ is not written."
    ]
