"""Other people's agents by name."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.jax_agents import build_dql, build_fql
from benchmarks.peers.torch_agents import build_release
from benchmarks.peers.trainer import Trainer


class Peer(NamedTuple):
    """An agent of a checkout."""

    option: str
    """Field of the command line that names the checkout."""
    repository: str
    file: str
    """Of the agent, inside the checkout."""
    build: Callable[[Path], Trainer]
    packages: Mapping[str, str]
    """Module -> the package that has it, of those that we do not need ourselves."""


RELEASE = "ramac", "KaiFukazawa/RAMAC"
TORCH = {"torch": "torch"}
PEERS = {
    "FQL": Peer(
        "fql",
        "seohongpark/fql",
        "agents/fql.py",
        build_fql,
        {"distrax": "distrax", "ml_collections": "ml_collections"},
    ),
    "flow-rl DQL": Peer(
        "flow_rl",
        "typoverflow/flow-rl",
        "flowrl/agent/offline/dql.py",
        build_dql,
        {"distrax": "distrax", "hydra": "hydra-core"},
    ),
    "RADAC": Peer(
        *RELEASE, "agents/radac.py", partial(build_release, name="radac"), TORCH
    ),
    "RAFMAC": Peer(
        *RELEASE, "agents/rafmac.py", partial(build_release, name="rafmac"), TORCH
    ),
}
"""The agents by name."""
