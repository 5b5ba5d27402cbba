"""The figures of a study, read from their artists."""

import numpy as np
import optuna
import pytest
from matplotlib.colors import same_color
from matplotlib.text import Annotation

from ramac_jax.cli.reporting.figures import study as figures
from ramac_jax.cli.runs import study_figures
from ramac_jax.search import Choice, Range, TrialResult, make_sampler, search
from ramac_jax.search.importances import importances

RANGE = Range(1e-3, 1.0)
SPACE = {"risk_weight": RANGE, "actor_widths": Choice(((8,), (4, 4)))}
# The third and the first are the front; the last one breaks a constraint.
SCORES = [(1.0, 4.0), (0.5, 3.0), (2.0, 2.0), (1.5, 1.5), (9.0, 9.0)]


def trials(scores, states=("complete",) * 9):
    return [
        TrialResult(
            number=10 + place,
            setting={
                "risk_weight": 10.0 ** (-place / 2),
                "actor_widths": ((8,), (4, 4))[place % 2],
            },
            state=states[place],
            scores=score,
            feasible=place < 4,
            retry_of=None,
            attributes={},
        )
        for place, score in enumerate(scores)
    ]


def drawn(objectives=2, shares=None):
    return figures.Drawn(
        trials=trials([x[:objectives] for x in SCORES]),
        space=SPACE,
        objectives=["CVaR 0.1", "mean return"][:objectives],
        shares=shares or {},
    )


def points(axis):
    """gid of each trial -> its line."""
    return {x.get_gid(): x for x in axis.lines if (x.get_gid() or "").startswith("t")}


def numbers(axis):
    return [x.get_text() for x in axis.texts if isinstance(x, Annotation)]


def test_a_slice_shows_every_trial_at_its_value_and_names_the_best():
    figure = figures.draw_slices(drawn(1))
    weight, widths = figure.axes
    assert (weight.get_xlabel(), weight.get_xscale()) == ("risk_weight", "log")
    assert [x.get_text() for x in widths.get_xticklabels()] == ["8", "4x4"]
    for place, line in enumerate(points(weight).values()):
        assert line.get_xdata()[0] == pytest.approx(10.0 ** (-place / 2))
        assert line.get_ydata()[0] == SCORES[place][0]
        assert points(widths)[line.get_gid()].get_xdata()[0] == place % 2
    for axis in (weight, widths):
        assert numbers(axis) == ["12", "13", "10"]  # not 14, which is not allowed
        stars = [k for k, x in points(axis).items() if x.get_marker() == "*"]
        assert stars == ["trial-12"]
        assert axis.get_ylabel() == "CVaR 0.1"


def test_later_trials_are_darker_and_forbidden_ones_hollow():
    weight = figures.draw_slices(drawn(1)).axes[0]
    lines = [*points(weight).values()]
    shades = [np.mean(x.get_color()[:3]) for x in lines if x.get_marker() == "o"]
    assert shades == sorted(shades, reverse=True)
    hollow = [same_color(x.get_markerfacecolor(), "white") for x in lines]
    assert hollow == [False] * 4 + [True]


def test_two_objectives_have_a_slice_for_each_parameter_and_objective():
    axes = figures.draw_slices(drawn()).axes
    shown = [(x.get_ylabel(), x.get_xlabel()) for x in axes]
    assert shown == [(y, x) for y in ("CVaR 0.1", "mean return") for x in SPACE]


def test_the_front_joins_and_names_what_no_allowed_trial_beats():
    (axis,) = figures.draw_pareto(drawn()).axes
    (front,) = [x for x in axis.lines if x.get_gid() is None]
    assert np.column_stack(front.get_data()).tolist() == [[1.0, 4.0], [2.0, 2.0]]
    assert numbers(axis) == ["10", "12"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("CVaR 0.1", "mean return")


def test_no_allowed_trial_is_a_front_of_none():
    forbidden = drawn()._replace(trials=trials(SCORES)[4:])
    (axis,) = figures.draw_pareto(forbidden).axes
    assert numbers(axis) == [] and len(points(axis)) == 1


def test_bars_show_the_importance_with_the_largest_on_top():
    (axis,) = figures.draw_importances({"a": 0.75, "b": 0.25}).axes
    assert [x.get_width() for x in axis.patches] == [0.25, 0.75]
    assert [x.get_text() for x in axis.texts] == ["25%", "75%"]
    assert [x.get_text() for x in axis.get_yticklabels()] == ["b", "a"]


def study_of(num_trials, score, space=SPACE, objectives=1):
    sampler = make_sampler("random", space, seed=0)
    study = optuna.create_study(directions=["maximize"] * objectives, sampler=sampler)
    search(study, space, score, num_trials=num_trials, batch_size=num_trials)
    return study


def by_weight(round_):
    """Scores that the risk weight alone decides."""
    weights = [x["risk_weight"] for x in round_.settings]
    return -np.abs(np.log10(weights) + 1.5)


def test_the_parameter_that_decides_has_nearly_all_of_the_importance():
    found = importances(study_of(40, by_weight))
    assert [*found] == ["risk_weight", "actor_widths"]
    assert sum(found.values()) == pytest.approx(1.0) and found["risk_weight"] > 0.8


def test_two_objectives_have_an_importance_without_a_warning(recwarn):
    def score(round_):
        one = by_weight(round_)
        return np.stack([one, one], axis=-1)

    found = importances(study_of(40, score, objectives=2))
    assert found["risk_weight"] > 0.8 and not recwarn.list


@pytest.mark.parametrize(
    ("num_trials", "space", "score"),
    [
        (19, SPACE, by_weight),
        (20, {"risk_weight": RANGE}, by_weight),
        (20, {**SPACE, "actor_widths": Choice(((8,),))}, by_weight),
        (20, SPACE, lambda round_: np.zeros(20)),
    ],
    ids=["few trials", "one parameter", "one that varies", "one score"],
)
def test_no_importance_where_nothing_can_be_compared(num_trials, space, score):
    assert importances(study_of(num_trials, score, space)) == {}


@pytest.mark.parametrize(
    ("objectives", "shares", "names"),
    [
        (1, {}, {"slices"}),
        (1, {"risk_weight": 0.9, "actor_widths": 0.1}, {"slices", "importances"}),
        (2, {}, {"slices", "pareto"}),
    ],
)
def test_the_report_shows_the_figures_that_there_are(
    objectives, shares, names, tmp_path
):
    (tmp_path / "report.md").write_text("# Table\n")
    shown = drawn(objectives, shares)._replace(space={"risk_weight": RANGE})
    study_figures.write_figures(tmp_path, shown)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# Table\n\n## The study\n")
    assert {x.stem for x in tmp_path.glob("*.png")} == names
    assert all((f"]({name}.png)" in text) for name in names)
    assert text.count("](") == len(names)
    assert ("risk_weight 90%, actor_widths 10%" in text) == bool(shares)


def test_a_study_without_scores_has_no_figures(tmp_path):
    study_figures.write_figures(tmp_path, drawn()._replace(trials=[]))
    assert not [*tmp_path.iterdir()]
