"""Risk-aware offline reinforcement learning with generative actors, in JAX.

Names are imported when they are first used, so that `import ramac_jax` costs nothing
and imports no JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ramac_jax.version import __version__

if TYPE_CHECKING:
    from ramac_jax import compute, losses, risk
    from ramac_jax.actors import (
        diffusion_actor,
        distilled_actor,
        distilled_flow_actor,
        flow_actor,
        gaussian_actor,
        perturbed_actor,
        perturbed_diffusion_actor,
        perturbed_flow_actor,
        perturbed_vae_actor,
        vae_actor,
    )
    from ramac_jax.agent import ramac_agent
    from ramac_jax.compute import data_parallel
    from ramac_jax.critics import (
        categorical_critic,
        constant_critic,
        iqn_critic,
        quantile_loss,
        value_critic,
    )
    from ramac_jax.errors import InputError
    from ramac_jax.hyperparams import Hyperparams
    from ramac_jax.policy import load_policy, save_policy
    from ramac_jax.returns import discounted_returns, value_range
    from ramac_jax.risk import RiskMeasure
    from ramac_jax.training import grid, make_train, sample_batch
    from ramac_jax.types import Actor, Agent, Critic, State, Transition
    from ramac_jax.validation import check_hyperparams, check_transitions

_NAMES = {
    "ramac_jax.actors": (
        "diffusion_actor",
        "distilled_actor",
        "distilled_flow_actor",
        "flow_actor",
        "gaussian_actor",
        "perturbed_actor",
        "perturbed_diffusion_actor",
        "perturbed_flow_actor",
        "perturbed_vae_actor",
        "vae_actor",
    ),
    "ramac_jax.agent": ("ramac_agent",),
    "ramac_jax.compute": ("data_parallel",),
    "ramac_jax.critics": (
        "categorical_critic",
        "constant_critic",
        "iqn_critic",
        "quantile_loss",
        "value_critic",
    ),
    "ramac_jax.returns": ("discounted_returns", "value_range"),
    "ramac_jax.errors": ("InputError",),
    "ramac_jax.hyperparams": ("Hyperparams",),
    "ramac_jax.policy": ("load_policy", "save_policy"),
    "ramac_jax.risk": ("RiskMeasure",),
    "ramac_jax.training": ("grid", "make_train", "sample_batch"),
    "ramac_jax.types": ("Actor", "Agent", "Critic", "State", "Transition"),
    "ramac_jax.validation": ("check_hyperparams", "check_transitions"),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}
_MODULES = ("compute", "losses", "risk")

__all__ = [
    "Actor",
    "Agent",
    "Critic",
    "Hyperparams",
    "InputError",
    "RiskMeasure",
    "State",
    "Transition",
    "__version__",
    "categorical_critic",
    "check_hyperparams",
    "check_transitions",
    "compute",
    "constant_critic",
    "data_parallel",
    "diffusion_actor",
    "discounted_returns",
    "distilled_actor",
    "distilled_flow_actor",
    "flow_actor",
    "gaussian_actor",
    "grid",
    "iqn_critic",
    "load_policy",
    "losses",
    "make_train",
    "perturbed_actor",
    "perturbed_diffusion_actor",
    "perturbed_flow_actor",
    "perturbed_vae_actor",
    "quantile_loss",
    "ramac_agent",
    "risk",
    "sample_batch",
    "save_policy",
    "vae_actor",
    "value_critic",
    "value_range",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
