"""Count kernels and their bytes in the text of a program that XLA compiled for a GPU.

Every instruction is a kernel, except those in `BOOKKEEPING`. A kernel reads its
operands and writes its results; where a fusion only slices an operand, it reads the
slices. An array that is updated in place, as in the loop of a long sampler, counts in
full.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

BOOKKEEPING = {
    "after-all",
    "bitcast",
    "constant",
    "get-tuple-element",
    "parameter",
    "tuple",
}
UNCHANGED = ("bitcast", "convert", "copy")  # read as much as their users read
PARTS = ("dynamic-slice", "gather", "slice")  # read a part of an operand
SIZES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "f64": 8, "s64": 8, "u64": 8}
COMPUTATION = re.compile(r"^(?P<entry>ENTRY )?%?(?P<name>[\w.-]+) \(.*\{$")
INSTRUCTION = re.compile(
    r"^\s*(?:ROOT )?%(?P<name>[\w.-]+) = (?P<shape>\(.*?\)|\S+) (?P<kind>[\w-]+)"
    r"\((?P<rest>.*)$"
)
ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")


class Instruction(NamedTuple):
    """One line of a program."""

    kind: str
    num_bytes: int  # of its results
    num_elements: int
    operands: list[str]
    rest: str  # the rest of the line: operands and attributes

    def called(self, attribute: str) -> str | None:
        """Return the computation that an attribute names."""
        found = re.search(rf"\b{attribute}=%?([\w.-]+)", self.rest)
        return found[1] if found else None


Computation = dict[str, Instruction]


class Kernels(NamedTuple):
    """The kernels of one update."""

    number: int
    products: int  # kernels with a matrix product
    num_bytes: int  # read and written in the GPU's memory or its cache


def read_program(text: str) -> tuple[dict[str, Computation], str]:
    """Return the computations of a program by name, and the name of its entry."""
    computations: dict[str, Computation] = {}
    entry, current = "", None
    for line in text.splitlines():
        if begun := COMPUTATION.match(line):
            current = computations.setdefault(begun["name"], {})
            entry = begun["name"] if begun["entry"] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None and (found := INSTRUCTION.match(line)):
            operands = found["rest"][: end_of_operands(found["rest"])]
            num_bytes, num_elements = count_bytes(found["shape"])
            current[found["name"]] = Instruction(
                kind=found["kind"],
                num_bytes=num_bytes,
                num_elements=num_elements,
                operands=re.findall(r"%([\w.-]+)", operands),
                rest=found["rest"],
            )
    return computations, entry


def end_of_operands(rest: str) -> int:
    """Return the place of the bracket that closes the list of operands."""
    depth = 1
    for place, letter in enumerate(rest):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place
    return len(rest)


def count_bytes(shape: str) -> tuple[int, int]:
    """Return bytes and elements of an array, or of all arrays of a tuple."""
    num_bytes = num_elements = 0
    for kind, lengths in ARRAY.findall(shape):
        size = math.prod(int(length) for length in lengths.split(",") if length)
        num_elements += size
        num_bytes += size * SIZES.get(kind, 4)
    return num_bytes, num_elements


def count_kernels(text: str) -> Kernels:
    """Count the kernels of one iteration of the only loop at a program's entry."""
    computations, entry = read_program(text)
    (loop,) = (x for x in computations[entry].values() if x.kind == "while")
    launched = list(launches(computations, loop.called("body") or ""))
    return Kernels(
        number=sum(times for *_, times in launched),
        products=sum(
            times
            for _, instruction, times in launched
            if is_product(instruction, computations)
        ),
        num_bytes=sum(
            times * traffic(computation, instruction, computations)
            for computation, instruction, times in launched
        ),
    )


def launches(
    computations: dict[str, Computation], name: str, times: int = 1
) -> Iterator[tuple[Computation, Instruction, int]]:
    """Yield every kernel of a computation: where it is, and how often it is launched.

    Args:
      computations: of the program.
      name: of the computation.
      times: number of runs of the computation.
    """
    for instruction in computations[name].values():
        if instruction.kind in BOOKKEEPING:
            continue
        if instruction.kind == "while":
            trips = re.search(r'known_trip_count":\{"n":"(\d+)"', instruction.rest)
            body, count = instruction.called("body"), int(trips[1]) if trips else 1
            yield from launches(computations, body or "", times * count)
        elif instruction.kind == "call":
            body = instruction.called("to_apply")
            yield from launches(computations, body or "", times)
        else:
            yield computations[name], instruction, times


def is_product(instruction: Instruction, computations: dict[str, Computation]) -> bool:
    """Return whether a kernel is or contains a matrix product."""
    if instruction.kind == "custom-call":
        return "matmul" in instruction.rest or "triton" in instruction.rest
    fused = computations.get(instruction.called("calls") or "", {})
    return any(
        inner.kind == "dot" or is_product(inner, computations)
        for inner in fused.values()
    )


def traffic(
    computation: Computation,
    instruction: Instruction,
    computations: dict[str, Computation],
) -> int:
    """Return the bytes that a kernel reads and writes."""
    fused = computations.get(instruction.called("calls") or "")
    if fused is None:
        read = sum(
            computation[name].num_bytes
            for name in instruction.operands
            if name in computation
        )
    else:
        read = sum(
            bytes_read(name, fused)
            for name, x in fused.items()
            if x.kind == "parameter"
        )
    return read + instruction.num_bytes


def bytes_read(parameter: str, fused: Computation) -> int:
    """Return the bytes that a fusion reads of one of its parameters."""
    names, users = [parameter], []
    while names:
        name = names.pop()
        for user, instruction in fused.items():
            if name not in instruction.operands:
                continue
            if instruction.kind in UNCHANGED:
                names.append(user)
            else:
                users.append((name, instruction))
    num_bytes = fused[parameter].num_bytes
    if users and all(
        user.kind in PARTS and user.operands[0] == name for name, user in users
    ):
        count = sum(user.num_elements for _, user in users)
        return min(
            num_bytes, count * num_bytes // max(1, fused[parameter].num_elements)
        )
    return num_bytes
