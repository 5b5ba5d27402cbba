"""The throughput benchmark reads traces and programs of JAX's profiler."""

import gzip
import io
import json

from rich.console import Console

from benchmarks.throughput import operations

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


def test_a_profile_lists_operations_by_their_time(tmp_path):
    events = [
        event("dot.2", 1000.0),
        event("dot.2", 2000.0),
        event("tanh_fusion", 900.0),
        event("pair.3", 100.0),
        event("while.1", 9000.0),  # its body is counted already
        event("call", 9000.0),
        event("conditional.7", 9000.0),
        event("dot.2", 9000.0, ph="B"),
        {"ph": "X", "dur": 9000.0, "name": "a call on the host"},
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
    found = operations.read_operations(PROGRAM)
    assert found["dot.2"] == ("f32[8,4]", "near MLP/tanh")
    assert found["tanh_fusion"] == ("f32[8,4]", "MLP/tanh")
    assert found["pair.3"] == ("(s32[], f32[8,4])", "near MLP/tanh")
    screen = Console(width=132, file=io.StringIO())
    screen.print(operations.operations_table("small", costs, found))
    text = screen.file.getvalue()
    assert "2 ms of operations per update" in text
    (line,) = (x for x in text.splitlines() if "dot.2" in x)
    cells = [x.strip() for x in line.strip("│ ").split("│")]
    assert cells == ["1.5", "75.0%", "dot.2", "f32[8,4]", "near MLP/tanh"]
