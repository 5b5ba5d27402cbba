"""The benchmark of speed counts, compares and reads what it says; no test times."""

import dataclasses
import gzip
import io
import json
import re
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from rich.console import Console

import ramac_jax as rj
from benchmarks.throughput import (
    command,
    comparing,
    counting,
    machine,
    measuring,
    operations,
)
from benchmarks.throughput import tables as shown
from benchmarks.throughput.cases import CASES, Case, with_flow
from ramac_jax.cli.agents import AGENTS
from ramac_jax.cli.bandit import agents as bandit
from ramac_jax.cli.options import train as options
from ramac_jax.cli.reporting.figures.style import WIDTH
from ramac_jax.cli.runs import agents
from ramac_jax.networks.vector_field import UNROLLED_STEPS
from ramac_jax.normalization import Scaling

# Wide enough for products to be nearly all that XLA counts, and quick to compile.
TINY = Case(
    sampler_steps=2,
    actor_widths=(128, 128),
    width=64,
    embedding_width=64,
    num_quantiles=8,
    batch_size=32,
    dataset_size=64,
)


def program_of(agent, case):
    """The update of an agent as text, without the addresses of its functions."""
    key = jax.random.key(0)
    batch = rj.sample_batch(case.dataset(), key, case.batch_size)
    state = jax.eval_shape(agent.init, key, batch)
    text = str(jax.make_jaxpr(agent.update)(state, batch, key, rj.Hyperparams()))
    return re.sub(r"0x[0-9a-f]+", "", text)


def printed(table):
    """A table as text."""
    screen = Console(width=132, file=io.StringIO())
    screen.print(table)
    return screen.file.getvalue()


def row(size, speed, share=0.5, compile_s=10.0, megabytes=100.0):
    """The row of a population as `--out` writes it, as far as it is read again."""
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


@pytest.mark.parametrize(
    "case",
    [
        dataclasses.replace(TINY, sampler_steps=UNROLLED_STEPS + 2),  # extrapolated
        dataclasses.replace(with_flow(TINY), sampler_steps=3),
        dataclasses.replace(with_flow(TINY), sampler_steps=3, num_risk_quantiles=1),
    ],
    ids=["diffusion", "flow", "fewer-fractions"],
)
def test_flop_by_hand_are_those_that_xla_counts(case):
    counted = counting.count_by_xla(case)
    # XLA counts what is elementwise too: less of it where networks are wider.
    assert 0.9 < counting.update_flop(case) / counted.flop < 1.0
    assert counted.num_bytes > 0.0


def test_the_preset_is_as_many_flop_as_xla_counted():
    assert counting.update_flop(CASES["preset"]) == pytest.approx(8.76e9, rel=0.03)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("preset", (8192, 128, 256)),
        ("preset-flow", (8192, 128, 256)),
        ("small-16", (4096, 64, 128)),
        ("bandit-diffusion", (128, 64, 64)),
        ("bandit-flow", (128, 64, 64)),
    ],
)
def test_the_product_with_most_flop_dominates(name, shape):
    assert counting.dominating_shape(CASES[name]) == shape


@pytest.mark.parametrize(
    ("name", "agent"), [("bandit-diffusion", "radac"), ("bandit-flow", "rafmac")]
)
def test_cases_of_the_bandit_are_its_agents(name, agent):
    case, config = CASES[name], AGENTS[agent]
    agent = bandit.build_agent(config, bandit.build_actor(config))
    assert program_of(case.agent(), case) == program_of(agent, case)


@pytest.mark.parametrize(
    ("name", "words"), [("preset", []), ("preset-flow", ["--actor", "flow"])]
)
def test_cases_of_the_preset_are_its_agents(name, words):
    preset = ["--preset", "published/halfcheetah-medium-expert", "--out", "unused"]
    found, case = options.parse(preset + words), CASES[name]
    scaling = Scaling(*np.zeros((2, 17)), *np.ones((2, 6)))
    agent = agents.build_agent(found.agent, agents.policy_spec(found.agent, scaling))
    assert found.training.batch_size == case.batch_size
    assert program_of(case.agent(), case) == program_of(agent, case)


def test_products_take_their_flop_at_the_rate_of_their_own_shapes(monkeypatch):
    rates = {}

    def meter(*shape, dtype):
        assert dtype == "bfloat16"
        rates[shape] = 1e9 + 1e8 * len(rates)
        return SimpleNamespace(rate=lambda: rates[shape])

    monkeypatch.setattr(measuring, "matrix_meter", meter)
    wide = dataclasses.replace(TINY, actor_widths=(128, 128, 128))
    case = wide.computed("plain", "bfloat16")
    seconds = measuring.Products(case).seconds()
    by_hand = [(product.flop, product[:3]) for product in counting.products(case)]
    assert seconds == pytest.approx(sum(flop / rates[x] for flop, x in by_hand))
    assert len(rates) < len(by_hand)  # a shape is timed once


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 5, 3), (4, 4, 4)])
def test_the_chain_of_products_keeps_its_numbers_in_size(shape, dtype, monkeypatch):
    flop = 4 * np.prod(shape)  # there and back
    monkeypatch.setattr(machine, "FIRST_FLOP", 1000 * flop)
    monkeypatch.setattr(machine, "CALL_SECONDS", 0.0)
    meter = machine.matrix_meter(*shape, dtype=dtype)
    result = meter.call()
    assert meter.work == 1000 * flop
    assert result.shape == shape[:2] and result.dtype == (dtype or "float32")
    assert 0.1 < abs(result).max() < 10.0


def test_a_comparison_divides_now_by_then(tmp_path):
    path = written(tmp_path, preset=[row(1, 8.0), row(2, 9.0)], small=[row(1, 100.0)])
    then = comparing.read_earlier(path, ["preset", "small-flow"], [1, 4])
    assert list(then) == [("preset", 1)]
    now = {"preset": {"populations": [row(1, 12.0, 0.6, 5.0, 25.0), row(4, 10.0)]}}
    now = comparing.numbers(now)
    expected = {
        "agent_updates_per_s": 1.5,
        "share_of_matrix_rate": 1.2,
        "compile_s": 0.5,
        "megabytes": 0.25,
    }
    found = comparing.ratios(then, now)
    assert list(found) == [("preset", 1)]
    assert found["preset", 1] == pytest.approx(expected)
    text = printed(comparing.comparison_table(path, then, now))
    (line,) = (x for x in text.splitlines() if "preset" in x)
    assert re.findall(r"[\d.]+", line) == ["1", "1.50", "1.20", "0.50", "0.25"]


@pytest.mark.parametrize(
    "text",
    [None, "not JSON", "[]", '{"cases": []}', '{"networks": {}}', '{"cases": {}}']
    + ['{"cases": {"preset": {"populations": [{"agents": 1}]}}}'],
)
def test_a_file_that_no_out_wrote_is_refused_before_all_work(
    text, tmp_path, monkeypatch
):
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("it measured"))
    path = tmp_path / "then.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(rj.InputError, match="then.json") as caught:
        command.main(["--compare", str(path)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cases", "presets"], "did you mean preset"),
        (["--profile", "smal"], "did you mean small"),
        (["--head", "fuse"], "did you mean fused"),
        (["--precision", "bfloat"], "did you mean bfloat16"),
        (["--populations", "1", "0"], "1 or more"),
        (["--repeats", "0"], "1 or more"),
        (["--call-seconds", "0"], "more than 0"),
        (["--out", "/nowhere/x.json"], "no folder that can be written to"),
        (["--figure", "x.pdf"], "ends in .png"),
        (["--figure", "x.png", "--populations", "2"], "one agent"),
        (["--profile", "small", "--out", "x.json"], "leave them out"),
    ],
)
def test_bad_options_are_refused_before_all_work(words, message, monkeypatch):
    for work in ("measure", "profile"):
        monkeypatch.setattr(command, work, lambda *_: pytest.fail("it worked"))
    with pytest.raises(rj.InputError, match=message) as caught:
        command.main(words)
    assert "\n" not in str(caught.value)


def test_the_table_shows_numbers_and_the_range_of_the_share():
    told = dict.fromkeys(shown.COLUMNS, 2.0) | {"agents": 4, "megabytes": 1439.2}
    told |= {f"{name}_range": [1.25, 3.5] for name in shown.SPREAD}
    del told["times_one_agent"]
    found = {
        "matrix_shape": [8, 4, 2],
        "gigaflop_per_update": 8.61,
        "gigaflop_per_update_by_xla": 8.76,
        "gigabytes_per_update": 0.74,
        "matrix_gigaflop_per_s": 60.0,
        "best_gigaflop_per_s": 70.0,
        "copied_gigabytes_per_s": 8.0,
        "populations": [told],
    }
    text = printed(shown.case_table("small", found))
    assert "8.61 GFLOP per update by hand, 8.76 by XLA" in text
    assert "60 GFLOP/s at 8x4x2, 70 at best, 8 GB/s copied" in text
    assert text.count("[1.25, 3.5]") == 2
    assert "1439" in text and " - " in text and "…" not in text


def test_no_two_cases_look_alike():
    cases = {name: {"populations": [row(1, 10.0), row(2, 9.0)]} for name in CASES}
    (axis,) = shown.draw_scaling(cases).axes
    lines = [bars.lines[0] for bars in axis.containers]
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == len(CASES) and {x.get_linestyle() for x in lines} == {"-"}


def test_the_figure_has_a_line_for_each_case_and_fits_a_column():
    sizes = {"preset": (1, 2, 16), "bandit-diffusion": (1, 16)}
    cases = {
        name: {"populations": [row(size, 10.0 + size) for size in each]}
        for name, each in sizes.items()
    }
    figure = shown.draw_scaling(cases)
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


PROGRAM = """HloModule jit_advance_one

%fused (p: f32[8,4]) -> f32[8,4] {
  ROOT %tanh.1 = f32[8,4]{1,0} tanh(%p), metadata={op_name="jit(f)/inner/tanh"}
}

%body (p: (s32[], f32[8,4])) -> (s32[], f32[8,4]) {
  %dot.2 = f32[8,4]{1,0} dot(%x.1, %y.1), lhs_contracting_dims={1}
  %tanh_fusion = f32[8,4]{1,0} fusion(%dot.2), kind=kLoop, calls=%fused, \
metadata={op_name="jit(f)/while/body/closed_call/MLP/tanh" stack_frame_id=1}
  ROOT %pair.3 = (s32[], /*index=1*/f32[8,4]{1,0}) custom-call(%z, %tanh_fusion)
}
"""


def event(name, duration, **changes):
    """A complete event of a trace, in microseconds."""
    return {"ph": "X", "dur": duration, "args": {"hlo_op": name}} | changes


def test_a_profile_tells_what_each_operation_takes_of_an_update(tmp_path):
    events = [
        event("dot.2", 1000.0),
        event("dot.2", 2000.0),
        event("tanh_fusion", 900.0),
        event("pair.3", 100.0),
        event("while.1", 9000.0),  # what it contains is counted already
        event("call", 9000.0),
        event("conditional.7", 9000.0),
        event("dot.2", 9000.0, ph="B"),
        {"ph": "X", "dur": 9000.0, "name": "a call of the host"},
        {"ph": "M", "name": "process_name", "args": {"name": "/host:CPU"}},
    ]
    folder = tmp_path / "plugins" / "profile"
    folder.mkdir(parents=True)
    with gzip.open(folder / "host.trace.json.gz", "wt") as file:
        json.dump({"traceEvents": events}, file)
    costs = operations.operation_costs(operations.read_trace(tmp_path), num_updates=2)
    assert costs == [
        ("dot.2", 1.5, 0.75),
        ("tanh_fusion", 0.45, 0.225),
        ("pair.3", 0.05, 0.025),
    ]
    told = operations.read_operations(PROGRAM)
    assert told["dot.2"] == ("f32[8,4]", "near MLP/tanh")
    assert told["tanh_fusion"] == ("f32[8,4]", "MLP/tanh")
    assert told["pair.3"] == ("(s32[], f32[8,4])", "near MLP/tanh")
    text = printed(operations.operations_table("small", costs, told))
    assert "2 ms of operations per update" in text
    (line,) = (x for x in text.splitlines() if "dot.2" in x)
    cells = [x.strip() for x in line.strip("│ ").split("│")]
    assert cells == ["1.5", "75.0%", "dot.2", "f32[8,4]", "near MLP/tanh"]


def test_what_is_measured_agrees_with_itself(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(CASES, "tiny", TINY)
    monkeypatch.setattr(command, "BEST_SHAPE", (8, 8, 8))
    monkeypatch.setattr(machine, "COPIED_BYTES", 4000)
    monkeypatch.setattr(machine, "FIRST_FLOP", 1e6)
    monkeypatch.setattr(machine, "CALL_SECONDS", 0.0)
    counted = counting.Count(flop=3e7, num_bytes=4e6)

    def count_by_xla(case):
        assert case == TINY.computed("rematerialized", "float32")
        assert jax.config.jax_default_matmul_precision == "highest"
        return counted

    monkeypatch.setattr(measuring, "count_by_xla", count_by_xla)
    out, figure = tmp_path / "found.json", tmp_path / "found.png"
    words = ["--cases", "tiny", "--populations", "1", "--repeats", "3"]
    words += ["--head", "rematerialized", "--precision", "float32"]
    words += ["--call-seconds", "0.001", "--out", str(out), "--figure", str(figure)]
    command.main(words)
    record = json.loads(out.read_text())
    assert (record["head"], record["precision"]) == ("rematerialized", "float32")
    found = record["cases"]["tiny"]
    (told,) = found["populations"]
    assert told["times_one_agent"] == 1.0 and told["agents"] == 1
    flop = told["agent_updates_per_s"] * counting.update_flop(TINY)
    assert told["gigaflop_per_s"] == pytest.approx(flop / 1e9)
    num_bytes = told["agent_updates_per_s"] * counted.num_bytes
    assert told["gigabytes_per_s"] == pytest.approx(num_bytes / 1e9)
    for share in (
        "share_of_matrix_rate",
        "share_of_shapes_rate",
        "share_of_best_rate",
        "share_of_copy_rate",
    ):
        low, high = told[f"{share}_range"]
        assert 0.0 < low <= told[share] <= high
    assert record["git_commit"] and record["versions"]["jax"] and record["device"]
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "tiny: " in capsys.readouterr().out
    now = comparing.read_earlier(out, ["tiny"], [1])
    assert set(comparing.ratios(now, now)["tiny", 1].values()) == {1.0}
