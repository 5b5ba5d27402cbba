"""The options of `ramac export`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ramac_jax.cli.options.words import read_words

DESCRIPTION = """Write the policy of one agent to a folder, which acts without this
library."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    run: tyro.conf.Positional[Path]
    """Folder of a run of ramac train, or best/ of a ramac sweep."""
    out: Path
    """Folder for the export; an earlier export in it is replaced."""
    format: Literal["stablehlo", "onnx", "all"] = "all"
    """stablehlo: for JAX; onnx: for ONNX Runtime."""
    member: int = 0
    """Number of the agent: 0 is the first seed of the run."""
    num_candidates: int = 1
    """Actions drawn for each observation, of which the critics take a typical one."""
    platforms: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PLATFORM...")] = (
        "cpu",
        "cuda",
        "tpu",
    )
    """Platforms of the StableHLO program: cpu, cuda, rocm, tpu."""
    opset: int = 23
    """Version of the operators of the ONNX program."""
    card: bool = False
    """Write a model card for the Hugging Face hub, and a checkpoint next to it."""


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line; exits for `--help`, `InputError` where it is malformed."""
    return read_words(Arguments, argv, prog="ramac export", description=DESCRIPTION)
