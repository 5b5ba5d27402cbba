"""The most expensive operations of an update, by JAX's profiler."""

import gzip
import json
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
from rich.console import Console
from rich.table import Table

from benchmarks.throughput.cases import Case
from benchmarks.throughput.measurement import Population

TRACED_SECONDS = 0.5  # approximately; the profiler drops events of a long trace
FEWEST, MOST = 3, 30  # updates of a trace
SHOWN = 10
CONTAINERS = ("while", "call", "conditional")  # their time is that of their bodies
INSTRUCTION = re.compile(
    r"^\s*(?:ROOT )?%(?P<name>[\w.-]+) = (?P<shape>\(.*?\)|\S+) [\w-]+\((?P<rest>.*)$"
)
LAYOUT = re.compile(r"\{[^}]*\}|/\*.*?\*/")
NOISE = re.compile(r"^(jit\(|while$|body$|closed_call$|vmap\(\)$)")


class Operation(NamedTuple):
    """One line of a compiled program."""

    shape: str
    source: str  # the part of the library that it computes, if XLA recorded it


class Cost(NamedTuple):
    """The time of an operation in an update."""

    name: str
    milliseconds: float
    share: float  # of the time of all operations


def profile(title: str, case: Case) -> None:
    """Advance one agent under the profiler and print the most expensive operations."""
    agent = Population(case, 1)
    count = min(max(int(TRACED_SECONDS / agent.seconds_per_update), FEWEST), MOST)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            agent.advance(count)
        costs = operation_costs(read_trace(Path(folder)), count)
    table = operations_table(title, costs, read_operations(agent.program.as_text()))
    Console(width=120).print(table)


def read_trace(folder: Path) -> dict[str, Any]:
    """Return the trace that the profiler wrote to a folder."""
    (path,) = folder.rglob("*.trace.json.gz")
    with gzip.open(path) as file:
        return json.load(file)


def operation_costs(trace: Mapping[str, Any], num_updates: int) -> list[Cost]:
    """Return the time of each operation in an update, the longest first.

    Operations that contain others are left out. Where operations run at the same time,
    their sum exceeds the time of the update.
    """
    total: Counter[str] = Counter()
    for event in trace["traceEvents"]:
        name = event.get("args", {}).get("hlo_op")
        if event.get("ph") == "X" and name and name.split(".")[0] not in CONTAINERS:
            total[name] += event["dur"]  # microseconds
    all_operations = sum(total.values())
    return [
        Cost(
            name=name,
            milliseconds=duration / 1e3 / num_updates,
            share=duration / all_operations,
        )
        for name, duration in total.most_common()
    ]


def read_operations(program: str) -> dict[str, Operation]:
    """Return the operations in the text of a compiled program, by name.

    XLA does not record the source of most matrix products. The source of such a product
    is "near" that of an operation that uses its result, or else that of an operand.
    """
    found = {x["name"]: x for x in map(INSTRUCTION.match, program.splitlines()) if x}
    sources = {name: source_of(line["rest"]) for name, line in found.items()}
    near: dict[str, list[str]] = {name: [] for name in found}
    for name, line in found.items():
        for operand in re.findall(r"%([\w.-]+)", line["rest"]):
            if operand in near:
                near[operand].insert(0, sources[name])
                near[name].append(sources[operand])
    return {
        name: Operation(
            shape=LAYOUT.sub("", line["shape"]),
            source=sources[name] or next((f"near {x}" for x in near[name] if x), ""),
        )
        for name, line in found.items()
    }


def source_of(line: str) -> str:
    """Return the recorded source of an operation, without the parts that all share."""
    recorded = re.search(r'op_name="([^"]*)"', line)
    parts = recorded[1].split("/") if recorded else []
    return "/".join(part for part in parts if not NOISE.match(part))


def operations_table(
    title: str, costs: list[Cost], operations: Mapping[str, Operation]
) -> Table:
    """Return a table of the most expensive operations and their sources."""
    total = sum(cost.milliseconds for cost in costs)
    table = Table(title=f"{title}, one agent: {total:.3g} ms of operations per update")
    table.add_column("ms", justify="right")
    table.add_column("share", justify="right")
    for name in ("operation", "output", "source"):
        table.add_column(name, overflow="fold")
    for cost in costs[:SHOWN]:
        operation = operations.get(cost.name, Operation(shape="", source=""))
        numbers = f"{cost.milliseconds:.3g}", f"{cost.share:.1%}"
        table.add_row(*numbers, cost.name, operation.shape, operation.source)
    return table
