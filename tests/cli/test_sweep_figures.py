"""The figure of a sweep, read from its artists."""

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.text import Text

from ramac_jax.cli.reporting.figures import sweep
from ramac_jax.evaluation import Interval, Ranked

NAN = float("nan")
# The third is best in neither coordinate alone; it dominates the fourth in both.
POINTS = [(4.0, 1.0), (1.0, 4.0), (3.0, 3.0), (2.0, 2.0)]


def entries(points, reach=0.5, labels=None, **changes):
    """Return settings in the order of the ranking, numbered from 10."""
    return [
        Ranked(
            setting=10 + place,
            label=labels[place] if labels else f"x={place}",
            chosen_by=-100.0 * place,
            score={
                "cvar": Interval(x, x - reach, x + reach),
                "mean": Interval(y, y - 2 * reach, y + 2 * reach),
                "risky_share": Interval(0.0, 0.0, 0.0),
            },
            frozen=0,
            unscored=0,
        )._replace(**changes)
        for place, (x, y) in enumerate(points)
    ]


def shown(axis):
    """Return the marker of each setting by its position."""
    return {
        tuple(float(x) for x in bars.lines[0].get_xydata()[0]): bars.lines[0]
        for bars in axis.containers
    }


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize(
    ("points", "front"),
    [
        (POINTS, [1, 2, 0]),
        ([(1.0, 1.0)], [0]),
        ([(1.0, 2.0), (1.0, 3.0), (0.0, 3.0)], [1]),  # equal in one, worse in one
        ([(1.0, 1.0), (0.0, 0.0), (1.0, 1.0)], [0, 2]),  # equal points do not dominate
        ([(NAN, 9.0), (1.0, 1.0), (9.0, NAN), (np.inf, 9.0)], [1]),
        ([(NAN, NAN)], []),
    ],
)
def test_the_front_holds_the_points_that_no_point_dominates(points, front):
    assert sweep.front_of(np.array(points)).tolist() == front


def test_settings_are_drawn_at_their_scores_and_a_line_joins_the_front():
    figure = sweep.draw_frontier(entries(POINTS), 0.2)
    (axis,) = figure.axes
    line, *_ = axis.lines
    assert line.get_xydata().tolist() == [[1.0, 4.0], [3.0, 3.0], [4.0, 1.0]]
    markers = shown(axis)
    assert set(markers) == set(POINTS)
    stars = [place for place, marker in markers.items() if marker.get_marker() == "*"]
    assert stars == [POINTS[0]]
    across, up = (bars.get_segments()[0] for bars in axis.containers[0].lines[2])
    assert across.tolist() == [[3.5, 1.0], [4.5, 1.0]]
    assert up.tolist() == [[4.0, 0.0], [4.0, 2.0]]
    assert axis.get_xlabel() == "CVaR$_{0.2}$ of the returns"


def test_the_legend_explains_the_numbers_in_the_plot():
    figure = sweep.draw_frontier(entries(POINTS), 0.1)
    (axis,) = figure.axes
    assert legend(figure) == [
        "10: x=0 (chosen)",
        "11: x=1",
        "12: x=2",
        "other settings, each dominated by one on the line",
    ]
    numbers = {text.get_text(): text.xy for text in axis.texts}
    assert numbers == {"10": POINTS[0], "11": POINTS[1], "12": POINTS[2]}


def test_the_star_may_be_off_the_front():
    figure = sweep.draw_frontier(entries([(0.0, 0.0), (2.0, 1.0), (1.0, 2.0)]), 0.1)
    (axis,) = figure.axes
    assert shown(axis)[0.0, 0.0].get_marker() == "*"
    assert axis.lines[0].get_xydata().tolist() == [[1.0, 2.0], [2.0, 1.0]]
    assert legend(figure) == ["10: x=0 (chosen)", "12: x=2", "11: x=1"]


def test_settings_without_a_finite_score_are_left_out_with_a_note():
    points = [(NAN, NAN), (1.0, 4.0), (NAN, 3.0)]
    (axis,) = sweep.draw_frontier(entries(points), 0.1).axes
    assert set(shown(axis)) == {(1.0, 4.0)}
    assert shown(axis)[1.0, 4.0].get_marker() == "o"  # the first has no finite score
    note = "2 of 3 settings left out: no finite score"
    assert axis.get_title(loc="left") == note
    (axis,) = sweep.draw_frontier(entries(points[:1]), 0.1).axes
    assert not axis.containers
    assert axis.get_title(loc="left") == "1 of 1 settings left out: no finite score"


def test_a_score_that_lacks_agents_is_hollow_with_a_note():
    several = entries(POINTS)
    several[2] = several[2]._replace(unscored=1)
    (axis,) = sweep.draw_frontier(several, 0.1).axes
    hollow = [
        place
        for place, marker in shown(axis).items()
        if same_color(marker.get_markerfacecolor(), "white")
    ]
    assert hollow == [POINTS[2]]
    assert "hollow" in axis.get_title(loc="left")
    (axis,) = sweep.draw_frontier(entries(POINTS), 0.1).axes
    assert axis.get_title(loc="left") == ""


def test_a_wide_interval_does_not_squeeze_the_points():
    (axis,) = sweep.draw_frontier(entries(POINTS, reach=1000.0), 0.1).axes
    low, high = axis.get_xlim()
    # 0.6 of the span of 3 on each side, and a tenth of that frame.
    assert (low, high) == pytest.approx((1.0 - 1.8 - 0.66, 4.0 + 1.8 + 0.66))
    (axis,) = sweep.draw_frontier(entries(POINTS[:1], reach=1000.0), 0.1).axes
    assert axis.get_xlim() == pytest.approx((-996.0 - 200.0, 1004.0 + 200.0))


@pytest.mark.parametrize("spread", [1.0, 0.05])
def test_numbers_and_long_labels_fit_without_overlap(spread):
    angles = spread * np.linspace(0.1, 1.4, 8)
    points = [(1000.0 * np.cos(x), 2000.0 * np.sin(x)) for x in angles]
    points += [(0.0, 0.0), (900.0, 0.0)]
    label = "risk_weight=0.3 actor_learning_rate=0.000313 critic_learning_rate=0.0012"
    figure = sweep.draw_frontier(entries(points, 100.0, [label] * 10), 0.1)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    boxes = [Text.get_window_extent(text) for text in axis.texts]
    assert len(boxes) == 8
    for index, box in enumerate(boxes):
        assert axis.bbox.x0 < box.x0 and box.x1 < axis.bbox.x1
        assert axis.bbox.y0 < box.y0 and box.y1 < axis.bbox.y1
        assert not box.count_overlaps(boxes[:index])
    below = figure.legends[0].get_window_extent()
    assert below.x0 >= 0.0 and below.x1 <= figure.bbox.x1
    assert below.y0 >= 0.0 and below.y1 <= axis.bbox.y0
    assert all(label.split()[-1] in text for text in legend(figure)[:8])
