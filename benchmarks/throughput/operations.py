"""Where the time of an update goes: the compiled program under JAX's profiler."""

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
from benchmarks.throughput.measuring import Population

TRACED_SECONDS = 0.5  # about as long is traced: a profiler drops events beyond many
FEWEST, MOST = 3, 30  # updates of a trace
SHOWN = 10
CONTAINERS = ("while", "call", "conditional")  # whose time is that of what they contain
INSTRUCTION = re.compile(
    r"^\s*(?:ROOT )?%(?P<name>[\w.-]+) = (?P<shape>\(.*?\)|\S+) [\w-]+\((?P<rest>.*)$"
)
LAYOUT = re.compile(r"\{[^}]*\}|/\*.*?\*/")
NOISE = re.compile(r"^(jit\(|while$|body$|closed_call$|vmap\(\)$)")


class Operation(NamedTuple):
    """One line of a compiled program."""

    shape: str
    source: str  # what of the library it computes, as far as XLA remembers


class Cost(NamedTuple):
    """What an operation takes of an update."""

    name: str
    milliseconds: float
    share: float  # of all operations


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
    """The one trace that the profiler left in a folder."""
    (path,) = folder.rglob("*.trace.json.gz")
    with gzip.open(path) as file:
        return json.load(file)


def operation_costs(trace: Mapping[str, Any], num_updates: int) -> list[Cost]:
    """Operations by the time they took of each update, most first.

    Those that contain others are left out. Where several run at once their times add
    up to more than the update's.
    """
    total: Counter[str] = Counter()
    for event in trace["traceEvents"]:
        name = event.get("args", {}).get("hlo_op")
        if event.get("ph") == "X" and name and name.split(".")[0] not in CONTAINERS:
            total[name] += event["dur"]  # microseconds
    everything = sum(total.values())
    return [
        Cost(name, took / 1e3 / num_updates, took / everything)
        for name, took in total.most_common()
    ]


def read_operations(program: str) -> dict[str, Operation]:
    """The operations of a compiled program's text by name.

    XLA forgets the source of most matrix products: such a one is told by an operation
    that uses its result, or else by one whose result it uses.
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
            LAYOUT.sub("", line["shape"]),
            sources[name] or next((f"near {x}" for x in near[name] if x), ""),
        )
        for name, line in found.items()
    }


def source_of(line: str) -> str:
    """The source that XLA noted for an operation, without what all have in common."""
    noted = re.search(r'op_name="([^"]*)"', line)
    parts = noted[1].split("/") if noted else []
    return "/".join(part for part in parts if not NOISE.match(part))


def operations_table(
    title: str, costs: list[Cost], operations: Mapping[str, Operation]
) -> Table:
    """The most expensive operations, beside what they compute."""
    total = sum(cost.milliseconds for cost in costs)
    table = Table(title=f"{title}, one agent: {total:.3g} ms of operations per update")
    table.add_column("ms", justify="right")
    table.add_column("share", justify="right")
    for name in ("operation", "output", "source"):
        table.add_column(name, overflow="fold")
    for cost in costs[:SHOWN]:
        told = operations.get(cost.name, Operation("", ""))
        numbers = f"{cost.milliseconds:.3g}", f"{cost.share:.1%}"
        table.add_row(*numbers, cost.name, told.shape, told.source)
    return table
