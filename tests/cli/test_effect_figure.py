"""The figure of the only parameter of a sweep, read from its artists."""

import math

import numpy as np
import pytest

from ramac_jax.cli.reporting.figures.effect import are_numbers, draw_effect

NAN = float("nan")


def agents(*figures):
    """Return the figures of two agents for each setting, without risky steps."""
    return [
        {"cvar": [x - 1.0, x + 1.0], "mean": [2.0 * x, 2.0 * x], "risky_share": [NAN]}
        for x in figures
    ]


def means(axis):
    """Return the points of the line that joins the means."""
    return axis.lines[-1].get_xydata().tolist()


def test_measures_are_drawn_against_the_rising_values_of_a_number():
    figure = draw_effect("risk_level", [0.5, 0.05, 1.0], agents(3.0, 7.0, 5.0), 0.1)
    cvar, mean = figure.axes  # no agent has risky steps
    assert means(cvar) == [[0.05, 7.0], [0.5, 3.0], [1.0, 5.0]]
    assert means(mean) == [[0.05, 14.0], [0.5, 6.0], [1.0, 10.0]]
    assert cvar.lines[0].get_xydata().tolist() == [[0.05, 6.0], [0.05, 8.0]]
    assert cvar.get_ylabel() == "CVaR 0.1"
    assert cvar.get_xlabel() == "risk_level"
    assert cvar.get_xscale() == "log"
    assert [x.get_text() for x in cvar.get_xticklabels()] == ["0.05", "0.5", "1"]


def test_an_axis_is_linear_where_the_values_lie_close_or_reach_zero():
    for values in ([0.2, 1.0], [0.0, 10.0]):
        figure = draw_effect("x", values, agents(1.0, 2.0), 0.1)
        assert {axis.get_xscale() for axis in figure.axes} == {"linear"}


@pytest.mark.parametrize("values", [[1000.0, math.inf], [True, False]])
def test_infinite_values_and_flags_have_no_place_among_numbers(values):
    assert not are_numbers(values)


def test_choices_keep_their_order_and_no_line_joins_them():
    figure = draw_effect("critic", ["quantile", "categorical"], agents(1.0, 2.0), 0.1)
    axis = figure.axes[0]
    assert means(axis) == [[0.0, 1.0], [1.0, 2.0]]
    assert axis.lines[-1].get_linestyle() == "None"
    labels = [x.get_text() for x in axis.get_xticklabels()]
    assert labels == ["quantile", "categorical"]


def test_risky_steps_are_in_percent_and_agents_without_a_figure_are_left_out():
    figures = [
        {"cvar": [1.0, NAN], "mean": [NAN, NAN], "risky_share": [0.02, 0.04]},
        {"cvar": [-math.inf, 5.0], "mean": [NAN, NAN], "risky_share": [0.01, 0.01]},
    ]
    cvar, risky = draw_effect("x", [1, 2], figures, 0.1).axes
    assert means(cvar) == [[1.0, 1.0], [2.0, 5.0]]
    assert means(risky) == [[1.0, pytest.approx(3.0)], [2.0, 1.0]]
    low, high = risky.get_ylim()
    assert low <= 1.0 and high >= 4.0
    assert np.isfinite(cvar.get_ylim()).all()
