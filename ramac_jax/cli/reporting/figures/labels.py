"""Texts next to the points of a figure, placed without overlap."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox, BboxBase

STEPS = range(3, 48, 3)
OFFSETS = sorted(
    (
        (sx * x, sy * y)
        for x in STEPS
        for y in STEPS
        for sx in (1, -1)
        for sy in (1, -1)
    ),
    key=lambda place: abs(place[0]) + abs(place[1]),
)
"""Possible places of a text, in typographic points from its point; right first."""


class Label(NamedTuple):
    """A text and the point (x, y) that it belongs to, in units of the data."""

    text: str
    point: tuple[float, float]
    colour: str


def write_labels(axis: "Axes", labels: Sequence[Label]) -> None:
    """Write each label next to its point, without overlap.

    The layout of the figure must be final.
    """
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import Bbox

    pixels = [axis.transData.transform(label.point) for label in labels]
    taken = [Bbox([x - 4.0, x + 4.0]) for x in pixels]
    for label in labels:
        text = axis.annotate(
            label.text,
            label.point,
            xytext=OFFSETS[0],
            textcoords="offset points",
            fontsize=7,
            color=label.colour,
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
            arrowprops=dict(
                arrowstyle="-",
                color=label.colour,
                linewidth=0.4,
                shrinkA=0.0,
                shrinkB=2.0,
            ),
            zorder=6,
        )
        taken.append(place(text, taken, axis.bbox))


def place(text: "Annotation", taken: "Sequence[Bbox]", room: "BboxBase") -> "Bbox":
    """Move a label to the nearest offset without overlap; return its box."""
    from matplotlib.text import Text

    for offset in [*OFFSETS, OFFSETS[0]]:
        text.set_position(offset)
        text.set_horizontalalignment("left" if offset[0] > 0 else "right")
        text.set_verticalalignment("bottom" if offset[1] > 0 else "top")
        text.get_window_extent()  # computes the layout
        box = Text.get_window_extent(text)  # without its line
        inside = room.x0 < box.x0 and box.x1 < room.x1
        inside = inside and room.y0 < box.y0 and box.y1 < room.y1
        if inside and not box.count_overlaps(taken):
            break
    return box
