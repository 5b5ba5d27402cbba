"""The benchmark of kernels reads a program that XLA compiled for a GPU."""

import importlib.util
import json

import pytest

import ramac_jax as rj
from benchmarks.kernels import command, compilation
from benchmarks.kernels.kernel_counts import Kernels, count_bytes, count_kernels
from benchmarks.throughput.cases import CASES
from ramac_jax.registry import HEADS

# A loop with a product in a fusion, which reads a part of %weights and, as bfloat16, a
# part of %table; with a product of a library; and with an inner loop of two copies.
PROGRAM = """
HloModule jit_train, is_scheduled=true

%slices (p.0: f32[100], p.1: f32[4,8], p.2: f32[64,8]) -> (f32[4,8], pred[]) {
  %p.0 = f32[100]{0} parameter(0)
  %p.1 = f32[4,8]{1,0} parameter(1)
  %p.2 = f32[64,8]{1,0} parameter(2)
  %own = f32[64]{0} slice(%p.0), slice={[0:64]}
  %square = f32[8,8]{1,0} bitcast(%own)
  %narrow = bf16[64,8]{1,0} convert(%p.2)
  %row = bf16[1,8]{1,0} slice(%narrow), slice={[0:1], [0:8]}
  %dot.0 = f32[4,8]{1,0} dot(%p.1, %square), lhs_contracting_dims={1}
  ROOT %both = (f32[4,8]{1,0}, pred[]) tuple(%dot.0, %row)
}

%inner (t: (f32[4,8])) -> (f32[4,8]) {
  %t = (f32[4,8]{1,0}) parameter(0)
  %x.1 = f32[4,8]{1,0} get-tuple-element(%t), index=0
  %copy.1 = f32[4,8]{1,0} copy(%x.1)
  ROOT %out = (f32[4,8]{1,0}) tuple(%copy.1)
}

%body (s: (f32[100], f32[4,8], f32[64,8])) -> (f32[100], f32[4,8], f32[64,8]) {
  %s = (f32[100]{0}, f32[4,8]{1,0}, /*index=2*/f32[64,8]{1,0}) parameter(0)
  %weights = f32[100]{0} get-tuple-element(%s), index=0
  %x = f32[4,8]{1,0} get-tuple-element(%s), index=1
  %table = f32[64,8]{1,0} get-tuple-element(%s), index=2
  %fusion.0 = (f32[4,8]{1,0}, pred[]) fusion(%weights, %x, %table), kind=kCustom, calls=%slices
  %y = f32[4,8]{1,0} get-tuple-element(%fusion.0), index=0
  %product = (f32[4,8]{1,0}, s8[16]{0}) custom-call(%y, %x), custom_call_target="__cublas$lt$matmul"
  %z = f32[4,8]{1,0} get-tuple-element(%product), index=0
  %start = (f32[4,8]{1,0}) tuple(%z)
  %twice = (f32[4,8]{1,0}) while(%start), condition=%c, body=%inner, backend_config={"known_trip_count":{"n":"2"}}
  ROOT %next = (f32[100]{0}, f32[4,8]{1,0}, f32[64,8]{1,0}) tuple(%weights, %z, %table)
}

ENTRY %main (a: f32[100]) -> f32[100] {
  %a = f32[100]{0} parameter(0)
  %before = f32[100]{0} negate(%a)
  %loop = (f32[100]{0}, f32[4,8]{1,0}, f32[64,8]{1,0}) while(%before), condition=%c, body=%body
  ROOT %end = f32[100]{0} get-tuple-element(%loop), index=0
}
"""  # noqa: E501


def test_count_bytes_of_arrays_and_tuples():
    assert count_bytes("f32[2,3]{1,0}") == (24, 6)
    assert count_bytes("pred[]") == (1, 1)
    assert count_bytes("(bf16[4]{0}, /*index=1*/s32[2,2]{1,0:T(8)}, u8[0])") == (24, 8)


def test_count_kernels_agrees_with_a_count_by_hand():
    fusion = 64 * 4 + 32 * 4 + 8 * 4 + (32 * 4 + 1)
    product = 2 * 32 * 4 + (32 * 4 + 16)
    copies = 2 * (2 * 32 * 4)
    assert count_kernels(PROGRAM) == Kernels(
        number=4, products=2, num_bytes=fusion + product + copies
    )


def test_a_case_takes_the_head_and_the_precision():
    case = CASES["small"].computed("fused", "bfloat16")
    assert (case.head, case.dtype) == (HEADS["fused"].load(), "bfloat16")
    assert CASES["small"].computed("plain", "float32") == CASES["small"]


@pytest.mark.skipif(
    bool(importlib.util.find_spec("jax_plugins")), reason="JAX has plugins here"
)
def test_without_a_compiler_for_cuda_the_error_names_the_extra():
    with pytest.raises(rj.InputError, match=r"pip install 'jax\[cuda13\]'"):
        compilation.absent_gpu()


def test_the_record_agrees_with_the_table(tmp_path, capsys, monkeypatch):
    asked = []

    class Program:
        def as_text(self):
            return PROGRAM

        def memory_analysis(self):
            return type("Memory", (), {"temp_size_in_bytes": 7_000_000})

    def compile_population(case, size, gpu):
        asked.append((case, size, gpu))
        return Program()

    monkeypatch.setattr(command, "absent_gpu", lambda: "mesh")
    monkeypatch.setattr(command, "compile_population", compile_population)
    words = "--cases small --populations 4 --heads plain fused --precisions bfloat16"
    out = tmp_path / "new" / "found.json"
    command.main([*words.split(), "--out", str(out)])
    case = CASES["small"]
    assert asked == [
        (case.computed(head, "bfloat16"), 4, "mesh") for head in ("plain", "fused")
    ]
    record = json.loads(out.read_text())
    moved = count_kernels(PROGRAM).num_bytes / 4
    for row, head in zip(record["programs"], ("plain", "fused"), strict=True):
        assert row.pop("agent_updates_per_s_at_most") == pytest.approx(4.8e12 / moved)
        assert row == {
            "case": "small",
            "agents": 4,
            "head": head,
            "precision": "bfloat16",
            "kernels": 4,
            "products": 2,
            "megabytes_per_agent_update": moved / 1e6,
            "megabytes_held": 7.0,
        }
    assert record["gpu"] == "H200" and record["git_commit"]
    printed = capsys.readouterr().out
    assert f"{4.8e12 / moved:,.0f}" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--cases", "--cases has no value: give at least one"),
        ("--heads", "--heads has no value: give at least one"),
        ("--precisions", "--precisions has no value: give at least one"),
        ("--populations", "--populations has no value: give at least one"),
        ("--populations 1 0", "--populations holds 0: give 1 or more"),
        ("--out /dev/null/x.json", "cannot write to /dev/null"),
    ],
)
def test_bad_options_are_refused_before_compilation(words, message, monkeypatch):
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("it compiles"))
    with pytest.raises(rj.InputError, match=message) as caught:
        command.main(words.split())
    assert "\n" not in str(caught.value)
