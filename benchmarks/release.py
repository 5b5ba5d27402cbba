"""How the public PyTorch release of RAMAC acts, from a clone of its repository."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.packages import (
    commit,
    import_from,
    import_package,
    installed,
)

NAME = "PyTorch release"
REPOSITORY = "KaiFukazawa/RAMAC"
PACKAGES = "onnxruntime", "torch"
ActFn = Callable[[np.ndarray], np.ndarray]
"""Observations [B, O] -> actions [B, A]."""


def build_release(
    clone: Path, agent: str, observation_dim: int, action_dim: int, num_steps: int
) -> ActFn:
    """Return how an untrained agent of the release acts, on one thread of the CPU.

    One observation goes through `sample_action`, which the release's evaluation calls.
    RADAC's takes no more than one: several go to the method inside of it.

    Args:
      clone: folder of the repository.
      agent: "radac" or "rafmac".
      observation_dim: O.
      action_dim: A.
      num_steps: of the sampler.
    """
    module = import_from(clone, f"agents.{agent}", REPOSITORY)
    torch = import_package("torch", REPOSITORY)
    torch.set_num_threads(1)
    sizes = {"state_dim": observation_dim, "action_dim": action_dim}
    shared = {"max_action": 1.0, "device": "cpu", "discount": 0.99, "tau": 0.005}
    if agent == "rafmac":
        built = module.RAFMAC(**sizes, **shared, flow_steps=num_steps)
    else:
        steps = {"beta_schedule": "vp", "n_timesteps": num_steps}
        critics = {"n_quantiles": 32, "embedding_dim": 128}
        built = module.RADAC(**sizes, **shared, **critics, **steps)

    def act(observation: np.ndarray) -> np.ndarray:
        if len(observation) == 1:
            return built.sample_action(observation[0])[None]
        if agent == "rafmac":
            return built.sample_action(observation)
        with torch.no_grad():
            return built.actor.sample(torch.from_numpy(observation)).numpy()

    return act


def share_of_release(
    each: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> float | None:
    """Return a median over that of the release; None where it does not do the same."""
    keys = "agent", "candidates", "batch"
    for other in rows:
        if other["way"] == NAME and all(other[x] == each[x] for x in keys):
            return each["median_us"] / other["median_us"]
    return None


def sources(clone: Path | None) -> dict[str, str | None]:
    """Return the versions of the runtimes, and the commit of a clone."""
    found = installed(PACKAGES)
    return found if clone is None else found | {REPOSITORY: commit(clone)}
