"""Words of the command line as a search space, and its settings."""

import re

import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.cli.runs.search_space import (
    Space,
    Span,
    label,
    parse_space,
    settings_of,
    variants,
)


def read_actor(text):
    if text not in ("diffusion", "flow"):
        raise ValueError("it must be diffusion or flow\nand nothing else")
    return text


STATIC = {
    "actor": read_actor,
    "actor_widths": lambda text: tuple(int(x) for x in text.split("x")),
}


def parse(grid=(), ranges=()):
    return parse_space(grid, ranges, STATIC)


def test_words_are_sorted_into_traced_static_and_drawn():
    space = parse(
        ["risk-level=0.1,0.3", "actor=diffusion,flow", "actor-widths=256x256,64x8"],
        ["actor_learning_rate=1e-4..1e-2", "risk-weight=0..2.:linear"],
    )
    assert space.traced == {"risk_level": (0.1, 0.3)}
    assert space.static == {
        "actor": ("diffusion", "flow"),
        "actor_widths": ((256, 256), (64, 8)),
    }
    assert space.ranges == {
        "actor_learning_rate": Span(1e-4, 1e-2),
        "risk_weight": Span(0.0, 2.0, log=False),
    }


def test_no_word_is_no_search():
    assert parse() == Space({}, {}, {})


def test_infinity_and_blanks_are_accepted():
    space = parse(["value_max= 300, inf", "value_min=-inf"], ["risk_weight=1 .. 2"])
    assert space.traced == {"value_max": (300.0, np.inf), "value_min": (-np.inf,)}
    assert space.ranges == {"risk_weight": Span(1.0, 2.0)}


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (["risk_weight"], "'risk_weight' has no =: write NAME=VALUE,VALUE"),
        (["risk_wieght=1"], "unknown option 'risk_wieght': did you mean risk_weight"),
        (["actr=flow"], "unknown option 'actr': did you mean actor"),
        (["risk_weight=1", "risk-weight=2"], "risk_weight is given twice"),
        (["actor=flow", "actor=diffusion"], "actor is given twice"),
        (["risk_weight="], "risk_weight= lacks a value"),
        (["risk_weight=1,,2"], "risk_weight=1,,2 lacks a value"),
        (["actor=flow, "], "actor=flow,  lacks a value"),
        (["risk_weight=1,high"], "risk_weight is high: it must be a number"),
        (["value_min=nan"], "value_min is nan: it must be a number"),
        (["risk_weight=1e-1,0.1"], "risk_weight=1e-1,0.1 has 0.1 twice"),
        (["actor_widths=8x8,4,08x8"], "actor_widths=8x8,4,08x8 has 08x8 twice"),
        (["risk_weight=0.1,-1"], "risk_weight is -1: it must be at least 0"),
        (["discount=1.5"], "discount is 1.5: it must be at least 0 and at most 1"),
        (["risk_weight=inf"], "risk_weight is inf: it must be at least 0"),
        (["actor=flow,gan"], "actor is gan: it must be diffusion or flow"),
        (["actor_widths=8xbig"], "actor_widths is 8xbig: invalid literal for int"),
    ],
)
def test_a_bad_grid_is_refused_in_one_line(grid, message):
    refused(message, grid)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (["risk_weight"], "'risk_weight' has no =: write NAME=LOW..HIGH"),
        (["risk_wieght=1..2"], "unknown option 'risk_wieght': did you mean risk_wei"),
        (["risk_weight=1..2", "risk_weight=3..4"], "risk_weight is given twice"),
        (["actor=diffusion..flow"], "actor has no range: list its values, as in act"),
        (["risk_weight=0.1"], "risk_weight is '0.1': write risk_weight=LOW..HIGH"),
        (["risk_weight=0.1,0.3"], "risk_weight is '0.1,0.3': write"),
        (["risk_weight="], "risk_weight is '': write"),
        (["risk_weight=0.1.."], "risk_weight is '0.1..': write"),
        (["risk_weight=..1"], "risk_weight is '..1': write"),
        (["risk_weight=0.1..high"], "risk_weight is high: it must be a number"),
        (["risk_weight=0..1"], "risk_weight is 0..1: a range is logarithmic, so both"),
        (["risk_level=-2..-1"], "risk_level is -2..-1: a range is logarithmic"),
        (["risk_weight=1..2:log"], "risk_weight is '1..2:log': write"),
        (["risk_weight=1..1"], "risk_weight is 1..1: the range is empty"),
        (["risk_weight=2..1"], "risk_weight is 2..1: the range is empty"),
        (["decay_steps=1..inf"], "decay_steps is 1..inf: the range is empty"),
        (["risk_ramp=1..2.5"], "risk_ramp is 1..2.5: it counts updates, give whole"),
        (["discount=0.9..2"], "discount is 2: it must be at least 0 and at most 1"),
        (["huber_threshold=-1..2"], "huber_threshold is -1: it must be above 0"),
    ],
)
def test_a_bad_range_is_refused_in_one_line(ranges, message):
    refused(message, [], ranges)


def test_a_name_is_listed_or_drawn_not_both():
    refused("risk_weight is given twice", ["risk-weight=1"], ["risk_weight=1..2"])


def refused(message, grid, ranges=()):
    with pytest.raises(rj.InputError, match="^" + re.escape(message)) as caught:
        parse(grid, ranges)
    assert "\n" not in str(caught.value)


def test_a_grid_over_the_base():
    space = parse(["risk_level=0.25,0.5", "discount=0,0.5,1", "actor=flow"])
    base = rj.Hyperparams(bc_weight=0.75)
    settings = settings_of(space, base)
    np.testing.assert_array_equal(settings.risk_level, [0.25] * 3 + [0.5] * 3)
    np.testing.assert_array_equal(settings.discount, [0.0, 0.5, 1.0] * 2)
    np.testing.assert_array_equal(settings.bc_weight, [0.75] * 6)
    for leaf in settings:
        assert type(leaf) is np.ndarray and leaf.dtype == np.float32


def test_a_range_stands_for_its_ends():
    space = parse(["risk_level=0.25,0.5"], ["risk_weight=0.01..1"])
    settings = settings_of(space, rj.Hyperparams())
    np.testing.assert_array_equal(settings.risk_level, [0.25] * 2 + [0.5] * 2)
    np.testing.assert_array_equal(settings.risk_weight, np.float32([0.01, 1.0] * 2))


def test_no_search_is_the_base_alone():
    base = rj.Hyperparams(risk_weight=0.5)
    for name, leaf in settings_of(parse(), base)._asdict().items():
        np.testing.assert_array_equal(leaf, [np.float32(getattr(base, name))])


@pytest.mark.parametrize(
    ("grid", "ranges", "message"),
    [
        (
            ["value_min=0,100", "value_max=50,200"],
            [],
            "value_min is 100.0 and .* 50",
        ),
        (
            ["value_max=300"],
            ["value_min=400..500"],
            "value_min is 4.* and value_max 300.0: the",
        ),
    ],
)
def test_settings_that_no_agent_can_have_are_refused(grid, ranges, message):
    space = parse(grid, ranges)
    with pytest.raises(rj.InputError, match=message) as caught:
        settings_of(space, rj.Hyperparams())
    assert "\n" not in str(caught.value)


def test_variants_vary_the_last_name_fastest():
    space = parse(["actor=flow,diffusion", "risk_weight=1", "actor_widths=8,4x4"])
    assert variants(space) == [
        {"actor": "flow", "actor_widths": (8,)},
        {"actor": "flow", "actor_widths": (4, 4)},
        {"actor": "diffusion", "actor_widths": (8,)},
        {"actor": "diffusion", "actor_widths": (4, 4)},
    ]


def test_nothing_static_is_one_variant():
    assert variants(parse(["risk_weight=1,2"])) == [{}]


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"risk_weight": 0.1, "actor": "flow"}, "risk_weight=0.1 actor=flow"),
        (
            {"actor_widths": (256, 64), "num_critics": 2},
            "actor_widths=256x64 num_critics=2",
        ),
        ({"critic_learning_rate": 5e-5}, "critic_learning_rate=5e-05"),
        ({"risk_ramp": np.float32(1e-4)}, "risk_ramp=0.0001"),
        ({"value_max": float("inf"), "discount": 1.0}, "value_max=inf discount=1"),
        ({}, "preset"),
    ],
)
def test_labels(setting, text):
    assert label(setting) == text
