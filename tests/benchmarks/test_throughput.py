"""Cases, counts of operations and rates of the throughput benchmark; no timings."""

import dataclasses
import json
import re
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import ramac_jax as rj
from benchmarks.throughput import (
    command,
    comparison,
    machine,
    measurement,
    operation_counts,
)
from benchmarks.throughput.cases import CASES, with_flow
from ramac_jax.cli.agents import AGENTS
from ramac_jax.cli.bandit import agents as bandit
from ramac_jax.cli.options import train as options
from ramac_jax.cli.runs import agents
from ramac_jax.networks.vector_field import UNROLLED_STEPS
from ramac_jax.normalization import Scaling
from tests.benchmarks.tiny import TINY

pytestmark = pytest.mark.slow


def program_of(agent, case):
    """The program of an agent's update as text, without addresses of functions."""
    key = jax.random.key(0)
    batch = rj.sample_batch(case.dataset(), key, case.batch_size)
    state = jax.eval_shape(agent.init, key, batch)
    text = str(jax.make_jaxpr(agent.update)(state, batch, key, rj.Hyperparams()))
    return re.sub(r"0x[0-9a-f]+", "", text)


@pytest.mark.parametrize(
    "case",
    [
        dataclasses.replace(TINY, sampler_steps=UNROLLED_STEPS + 2),  # extrapolated
        dataclasses.replace(with_flow(TINY), sampler_steps=3),
        dataclasses.replace(with_flow(TINY), sampler_steps=3, num_risk_quantiles=1),
        dataclasses.replace(with_flow(TINY), sampler_steps=3, single_step=True),
    ],
    ids=["diffusion", "flow", "fewer-fractions", "single-steps"],
)
def test_flop_by_hand_agree_with_xla(case):
    counted = operation_counts.count_by_xla(case)
    # XLA counts elementwise operations too.
    assert 0.9 < operation_counts.update_flop(case) / counted.flop < 1.0
    assert counted.num_bytes > 0.0


def test_flop_of_the_preset_agree_with_xla():
    assert operation_counts.update_flop(CASES["preset"]) == pytest.approx(
        8.76e9, rel=0.03
    )


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("preset", (8192, 128, 256)),
        ("preset-flow", (8192, 128, 256)),
        ("small-16", (4096, 64, 128)),
        ("bandit-diffusion", (128, 64, 64)),
        ("preset-categorical", (256, 256, 256)),
        ("bandit-flow", (128, 64, 64)),
    ],
)
def test_the_dominating_shape_has_the_most_flop(name, shape):
    assert operation_counts.dominating_shape(CASES[name]) == shape


@pytest.mark.parametrize(
    ("name", "agent"), [("bandit-diffusion", "radac"), ("bandit-flow", "rafmac")]
)
def test_bandit_cases_are_the_agents_of_the_bandit_command(name, agent):
    case, config = CASES[name], AGENTS[agent]
    agent = bandit.build_agent(config, bandit.build_actor(config))
    assert program_of(case.agent(), case) == program_of(agent, case)


@pytest.mark.parametrize(
    ("name", "words"), [("preset", []), ("preset-flow", ["--actor", "flow"])]
)
def test_preset_cases_are_the_agents_of_the_train_command(name, words):
    preset = ["--preset", "published/halfcheetah-medium-expert", "--out", "unused"]
    found, case = options.parse(preset + words), CASES[name]
    scaling = Scaling(
        observation_mean=np.zeros(17),
        observation_std=np.zeros(17),
        action_low=np.ones(6),
        action_high=np.ones(6),
    )
    agent = agents.build_agent(found.agent, agents.policy_spec(found.agent, scaling))
    assert found.training.batch_size == case.batch_size
    assert program_of(case.agent(), case) == program_of(agent, case)


def test_each_product_is_timed_at_the_rate_of_its_own_shape(monkeypatch):
    rates = {}

    def meter(*shape, dtype):
        assert dtype == "bfloat16"
        rates[shape] = 1e9 + 1e8 * len(rates)
        return SimpleNamespace(rate=lambda: rates[shape])

    monkeypatch.setattr(measurement, "matrix_meter", meter)
    wide = dataclasses.replace(TINY, actor_widths=(128, 128, 128))
    case = wide.computed("plain", "bfloat16")
    seconds = measurement.Products(case).seconds()
    by_hand = [
        (product.flop, product[:3]) for product in operation_counts.products(case)
    ]
    assert seconds == pytest.approx(sum(flop / rates[x] for flop, x in by_hand))
    assert len(rates) < len(by_hand)  # a shape is timed once


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 5, 3), (4, 4, 4)])
def test_numbers_keep_their_size_in_the_chain_of_products(shape, dtype, monkeypatch):
    flop = 4 * np.prod(shape)  # of two products
    monkeypatch.setattr(machine, "FIRST_FLOP", 1000 * flop)
    monkeypatch.setattr(machine, "CALL_SECONDS", 0.0)
    meter = machine.matrix_meter(*shape, dtype=dtype)
    result = meter.call()
    assert meter.work == 1000 * flop
    assert result.shape == shape[:2] and result.dtype == (dtype or "float32")
    assert 0.1 < abs(result).max() < 10.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cases", "presets"], "did you mean preset"),
        (["--profile", "smal"], "did you mean small"),
        (["--head", "fuse"], "did you mean fused"),
        (["--precision", "bfloat"], "did you mean bfloat16"),
        (["--populations", "1", "0"], "--populations holds 0: give 1 or more"),
        (["--cases"], "--cases has no value: give at least one"),
        (["--repeats", "0"], "--repeats is 0: give 1 or more"),
        (["--call-seconds", "0"], "more than 0"),
        (["--out", "/dev/null/x.json"], "cannot write to /dev/null"),
        (["--figure", "/nowhere/x.png"], "no folder that can be written to"),
        (["--figure", "x.pdf"], "ends in .png"),
        (["--figure", "x.png", "--populations", "2"], "one agent"),
        (["--profile", "small", "--out", "x.json"], "leave them out"),
    ],
)
def test_bad_options_are_refused_before_the_measurement(words, message, monkeypatch):
    for work in ("measure", "profile"):
        monkeypatch.setattr(
            command, work, lambda *_: pytest.fail("it starts the measurement")
        )
    with pytest.raises(rj.InputError, match=message) as caught:
        command.main(words)
    assert "\n" not in str(caught.value)


def test_the_record_is_consistent_and_can_be_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(command.KNOWN, "tiny", TINY)
    monkeypatch.setattr(command, "BEST_SHAPE", (8, 8, 8))
    monkeypatch.setattr(machine, "COPIED_BYTES", 4000)
    monkeypatch.setattr(machine, "FIRST_FLOP", 1e6)
    monkeypatch.setattr(machine, "CALL_SECONDS", 0.0)
    counted = operation_counts.Count(flop=3e7, num_bytes=4e6)

    def count_by_xla(case):
        assert case == TINY.computed("rematerialized", "float32")
        assert jax.config.jax_default_matmul_precision == "highest"
        return counted

    monkeypatch.setattr(measurement, "count_by_xla", count_by_xla)
    out, figure = tmp_path / "found.json", tmp_path / "found.png"
    words = ["--cases", "tiny", "--populations", "1", "--repeats", "3"]
    words += ["--head", "rematerialized", "--precision", "float32"]
    words += ["--call-seconds", "0.001", "--out", str(out), "--figure", str(figure)]
    command.main(words)
    record = json.loads(out.read_text())
    assert (record["head"], record["precision"]) == ("rematerialized", "float32")
    found = record["cases"]["tiny"]
    (row,) = found["populations"]
    assert row["times_one_agent"] == 1.0 and row["agents"] == 1
    flop = row["agent_updates_per_s"] * operation_counts.update_flop(TINY)
    assert row["gigaflop_per_s"] == pytest.approx(flop / 1e9)
    num_bytes = row["agent_updates_per_s"] * counted.num_bytes
    assert row["gigabytes_per_s"] == pytest.approx(num_bytes / 1e9)
    for share in (
        "share_of_matrix_rate",
        "share_of_shapes_rate",
        "share_of_best_rate",
        "share_of_copy_rate",
    ):
        low, high = row[f"{share}_range"]
        assert 0.0 < low <= row[share] <= high
    assert record["git_commit"] and record["versions"]["jax"] and record["device"]
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "tiny: " in capsys.readouterr().out
    now = comparison.read_earlier(out, ["tiny"], [1])
    assert set(comparison.ratios(now, now)["tiny", 1].values()) == {1.0}
