"""The figures of runs, read from their artists."""

import numpy as np
import pytest

from ramac_jax.cli.agents import ROBOT_AGENTS
from ramac_jax.cli.reporting.figures import runs
from ramac_jax.cli.reporting.figures.profiles import draw_profiles, scaled_scores
from ramac_jax.cli.reporting.figures.risk_return import OURS, draw_risk_return
from ramac_jax.cli.runs.records import score_episodes
from ramac_jax.evaluation import Episodes
from ramac_jax.tasks import angle_hazard

HAZARD = angle_hazard(-0.1, 0.1, -50.0)


def scored(name, returns):
    returns = np.asarray(returns, float)
    monitored = np.full((*returns.shape, 4), np.nan, np.float32)
    monitored[..., :2] = 0.0, 0.2
    episodes = Episodes(
        episode_seed=np.arange(returns.size).reshape(returns.shape),
        returns=returns,
        length=np.full(returns.shape, 2),
        risky_steps=np.full(returns.shape, 1),
        penalties=np.zeros(returns.shape),
        base_return=returns,
        failed=np.isnan(returns),
        monitored=monitored,
    )
    return score_episodes(name, episodes, range(len(returns)), 0.1, None)


def lines(axis):
    return [line.get_xdata()[0] for line in axis.lines]


def test_histograms_count_every_episode_and_mark_the_tail():
    several = [scored("a", [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]), scored("b", [[9] * 10])]
    figure = runs.draw_returns(several, 0.1)
    for axis, run, mean in zip(figure.axes, several, (4.5, 9.0), strict=True):
        tail = run.summary["pooled_cvar"]["value"]
        assert lines(axis) == pytest.approx((tail, mean))
        assert sum(bar.get_height() for bar in axis.patches) == 10
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["a", "b"]


def test_risk_and_return_are_those_of_the_summary():
    run = scored("a", [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]])
    (axis,) = draw_risk_return([(run.name, run.summary)], 0.1).axes
    marker = axis.lines[0]
    assert marker.get_xdata() == run.summary["pooled_cvar"]["value"]
    assert marker.get_ydata() == 4.5


def test_names_stand_at_their_points_and_long_ones_in_a_legend():
    figures = scored("a", [[1.0, 2.0]]).summary
    failed = {name: {"value": None} for name in ("mean", "pooled_cvar")}
    for name, labelled in (
        ("a", True),
        ("oraac-diffusion, temperature ", True),
        ("temperature 0.5, best of 16 at .1", False),
    ):
        points = [(f"{name}{i}", figures) for i in range(3)] + [("none", failed)]
        figure = draw_risk_return(points, 0.1, "a title")
        names = [x for x, _ in points[:3]]
        assert [x.get_text() for x in figure.axes[0].texts] == names * labelled
        legends = [[x.get_text() for x in y.texts] for y in figure.legends]
        assert legends == [names] * (not labelled)


def test_the_methods_of_the_paper_have_colours_among_other_agents():
    figures = scored("a", [[1.0, 2.0]]).summary

    def colours(*names):
        (axis,) = draw_risk_return([(x, figures) for x in names], 0.1).axes
        return [x.get_color() for x in axis.texts]

    mixed = colours("radac, temperature 0", "cql", "rafmac")
    assert mixed == [OURS["radac"], "0.55", OURS["rafmac"]]
    assert len(set(colours("cql", "codac"))) == 2


def test_profiles_of_all_agents_can_be_told_apart():
    rows = [{"task": "a", "agent": x, "cvar_0.1": 1.0} for x in ROBOT_AGENTS]
    (axis,) = draw_profiles(rows, "cvar_0.1", "CVaR").axes
    styles = {(x.get_color(), x.get_linestyle()) for x in axis.lines}
    assert len(styles) == len(ROBOT_AGENTS)


def test_a_profile_is_the_share_of_tasks_and_seeds_above_a_score():
    rows = [
        {"task": task, "agent": agent, "cvar_0.1": factor * value}
        for task, factor in (("a", 1.0), ("b", 100.0))
        for agent, values in {
            "cql": (0, 0),
            "radac": (1, 3),
            "fql": (1, np.nan),
        }.items()
        for value in values
    ]
    found = scaled_scores(rows, "cvar_0.1")
    assert found["cql"].tolist() == [0.0] * 4
    assert found["radac"].tolist() == [0.5, 1.5] * 2  # of means 0 and 2
    assert found["fql"].tolist() == [0.5, -np.inf] * 2
    (axis,) = draw_profiles(rows, "cvar_0.1", "CVaR").axes
    shares = {x.get_label(): x for x in axis.lines}
    at = {k: np.interp(1.0, *x.get_data()) for k, x in shares.items()}
    assert at == {"cql": 0.0, "radac": 0.5, "fql": 0.0}
    assert shares["radac"].get_color() == OURS["radac"]


def test_the_band_of_the_hazard_is_shaded_outside_its_bounds():
    (axis,) = runs.draw_monitored([scored("a", [[1.0, 2.0]])], HAZARD).axes
    bars = [x for x in axis.patches if x.get_alpha() is None]
    below, above = (x.get_extents() for x in axis.patches if x.get_alpha() == 0.15)
    to_data = axis.transData.inverted().transform
    assert to_data(below.p1)[0] == pytest.approx(-0.1)
    assert to_data(above.p0)[0] == pytest.approx(0.1)
    seen = [bar for bar in bars if bar.get_height()]
    middles = [bar.get_x() + 0.5 * bar.get_width() for bar in seen]
    assert middles == pytest.approx([0.0, 0.2], abs=0.01)
    assert axis.get_title(loc="left") == "a: 50.0% of steps risky"


def test_learning_curves_show_each_seed_and_the_mean():
    rows = [
        {"step": step, "seed": seed, "bc_loss": x, "critic_loss": y, "risk_value": "1"}
        for step, seed, x, y in [
            ("10", "3", "1.0", "nan"),
            ("10", "4", "3.0", "2.0"),
            ("20", "3", "0.5", "nan"),
            ("20", "4", "1.5", "4.0"),
        ]
    ]
    bc, critic, _ = runs.draw_learning(rows, []).axes
    first, second, mean = (line.get_ydata().tolist() for line in bc.lines)
    assert (first, second, mean) == ([1.0, 0.5], [3.0, 1.5], [2.0, 1.0])
    assert bc.lines[0].get_xdata().tolist() == [10, 20]
    assert critic.lines[-1].get_ydata().tolist() == [2.0, 4.0]  # over the finite seeds
