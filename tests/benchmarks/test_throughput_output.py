"""The tables and the figure of the throughput benchmark, and --compare."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import ramac_jax as rj
from benchmarks.throughput import command, comparison, tables
from benchmarks.throughput.cases import CASES
from ramac_jax.cli.reporting.figures.style import WIDTH


def printed(table):
    """A table as text."""
    screen = Console(width=132, file=io.StringIO())
    screen.print(table)
    return screen.file.getvalue()


def row(size, speed, share=0.5, compile_s=10.0, megabytes=100.0):
    """A population's row of `--out`, with the columns that are read again."""
    return {
        "agents": size,
        "agent_updates_per_s": speed,
        "share_of_matrix_rate": share,
        "compile_s": compile_s,
        "megabytes": megabytes,
        "times_one_agent": speed / 10.0,
        "times_one_agent_range": [speed / 20.0, speed / 5.0],
    }


def written(folder, **cases):
    """A file as `--out` writes it."""
    path = folder / "then.json"
    found = {name: {"populations": rows} for name, rows in cases.items()}
    path.write_text(json.dumps({"cases": found}))
    return path


def test_the_comparison_is_now_divided_by_then(tmp_path):
    path = written(tmp_path, preset=[row(1, 8.0), row(2, 9.0)], small=[row(1, 100.0)])
    then = comparison.read_earlier(path, ["preset", "small-flow"], [1, 4])
    assert list(then) == [("preset", 1)]
    now = {"preset": {"populations": [row(1, 12.0, 0.6, 5.0, 25.0), row(4, 10.0)]}}
    now = comparison.numbers(now)
    expected = {
        "agent_updates_per_s": 1.5,
        "share_of_matrix_rate": 1.2,
        "compile_s": 0.5,
        "megabytes": 0.25,
    }
    found = comparison.ratios(then, now)
    assert list(found) == [("preset", 1)]
    assert found["preset", 1] == pytest.approx(expected)
    text = printed(comparison.comparison_table(path, then, now))
    (line,) = (x for x in text.splitlines() if "preset" in x)
    assert re.findall(r"[\d.]+", line) == ["1", "1.50", "1.20", "0.50", "0.25"]


@pytest.mark.parametrize(
    "text",
    [None, "not JSON", "[]", '{"cases": []}', '{"networks": {}}', '{"cases": {}}']
    + ['{"cases": {"preset": {"populations": [{"agents": 1}]}}}'],
)
def test_compare_refuses_a_file_of_other_contents(text, tmp_path, monkeypatch):
    monkeypatch.setattr(
        command, "measure", lambda *_: pytest.fail("it starts the measurement")
    )
    path = tmp_path / "then.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(rj.InputError, match="then.json") as caught:
        command.main(["--compare", str(path)])
    assert "\n" not in str(caught.value)


def test_the_table_shows_numbers_and_ranges():
    population = dict.fromkeys(tables.COLUMNS, 2.0) | {"agents": 4, "megabytes": 1439.2}
    population |= {f"{name}_range": [1.25, 3.5] for name in tables.SPREAD}
    del population["times_one_agent"]
    found = {
        "matrix_shape": [8, 4, 2],
        "gigaflop_per_update": 8.61,
        "gigaflop_per_update_by_xla": 8.76,
        "gigabytes_per_update": 0.74,
        "matrix_gigaflop_per_s": 60.0,
        "best_gigaflop_per_s": 70.0,
        "copied_gigabytes_per_s": 8.0,
        "populations": [population],
    }
    text = printed(tables.case_table("small", found))
    assert "8.61 GFLOP per update by hand, 8.76 by XLA" in text
    assert "60 GFLOP/s at 8x4x2, 70 at best, 8 GB/s copied" in text
    assert text.count("[1.25, 3.5]") == 2
    assert "1439" in text and " - " in text and "…" not in text


def test_cases_differ_in_colour_or_marker():
    cases = {name: {"populations": [row(1, 10.0), row(2, 9.0)]} for name in CASES}
    (axis,) = tables.draw_scaling(cases).axes
    lines = [bars.lines[0] for bars in axis.containers]
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == len(CASES) and {x.get_linestyle() for x in lines} == {"-"}


RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


@pytest.mark.parametrize("name", ["cpu-2-cores.json", "one-device-cpu-2-cores.json"])
def test_compare_reads_the_committed_results(name):
    found = comparison.read_earlier(RESULTS / name, CASES, [1])
    newer = {"preset-categorical"}  # measured in a file of its own
    assert {case for case, _ in found} == set(CASES) - newer
    assert all(row["agent_updates_per_s"] > 0.0 for row in found.values())


def test_the_figure_has_a_line_for_each_case_and_fits_a_column():
    sizes = {"preset": (1, 2, 16), "bandit-diffusion": (1, 16)}
    cases = {
        name: {"populations": [row(size, 10.0 + size) for size in each]}
        for name, each in sizes.items()
    }
    figure = tables.draw_scaling(cases)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    assert figure.get_figwidth() == WIDTH
    for bars, each in zip(axis.containers, sizes.values(), strict=True):
        points = np.array([[size, 1.0 + size / 10.0] for size in each])
        assert bars.lines[0].get_xydata() == pytest.approx(points)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(sizes)
    assert min(text.get_fontsize() for text in legend.get_texts()) >= 7
    box = legend.get_window_extent()
    assert box.x0 >= 0.0 and box.x1 <= figure.bbox.x1 and box.y1 <= axis.bbox.y0
