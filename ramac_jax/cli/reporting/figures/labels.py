"""Numbers next to the points of a figure, placed without overlap."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox, BboxBase

OFFSETS = sorted(((x, y) for x in range(3, 48, 3) for y in range(3, 48, 3)), key=sum)
"""Possible places of a number, in typographic points right of and above its point."""


class Label(NamedTuple):
    """A text and the point (x, y) that it belongs to, in units of the data."""

    text: str
    point: tuple[float, float]
    colour: str


def write_labels(axis: Axes, labels: Sequence[Label]) -> None:
    """Write each label right of and above its point, without overlap.

    The layout of the figure must be final.
    """
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


def place(text: Annotation, taken: Sequence[Bbox], room: BboxBase) -> Bbox:
    """Move a label to the nearest offset without overlap; return its box."""
    for offset in [*OFFSETS, OFFSETS[0]]:
        text.set_position(offset)
        text.get_window_extent()  # computes the layout
        box = Text.get_window_extent(text)  # without its line
        inside = box.x1 < room.x1 and box.y1 < room.y1
        if inside and not box.count_overlaps(taken):
            break
    return box
