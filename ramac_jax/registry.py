"""Every choice that has a name: actors, critics, heads, risk measures, penalties.

Names exist for command lines, presets and checkpoints; in Python, pass the function
itself. An entry says where its function is and which options it takes, so that a
command can list them without importing JAX.
"""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A function by its address, and the options that a name can give it."""

    path: str
    """`module:function`; `load` imports it."""
    options: Mapping[str, Any] = {}
    """Keyword arguments that JSON can hold, and their defaults."""
    takes_dtype: bool = False
    """Whether it has a keyword `dtype`, that its networks compute in."""
    mean_only: bool = False
    """`Critic.mean_only` of a critic: it knows no more of a return than its mean."""

    def load(self) -> Any:
        """Import the module and return the function."""
        module, _, name = self.path.partition(":")
        return getattr(importlib.import_module(module), name)


class Precision(NamedTuple):
    """Number formats of training; parameters, losses and quantiles are float32."""

    dtype: str | None
    """Format that networks compute in; None: the format of their parameters."""
    matmul: str | None
    """Precision of float32 products, for `jax.default_matmul_precision`."""


ACTORS = {
    "diffusion": Entry(
        "ramac_jax.actors.diffusion:diffusion_actor",
        {"num_steps": 5, "widths": (256, 256, 256), "time_width": 16},
        takes_dtype=True,
    ),
    "flow": Entry(
        "ramac_jax.actors.flow:flow_actor",
        {"num_steps": 10, "widths": (128, 128, 128), "time_width": 4},
        takes_dtype=True,
    ),
    "vae": Entry(
        "ramac_jax.actors.vae:vae_actor",
        {"widths": (256, 256), "latent_bound": 0.5, "kl_weight": 0.5},
    ),
    "gaussian": Entry(
        "ramac_jax.actors.gaussian:gaussian_actor", {"widths": (256, 256)}
    ),
    "distilled-flow": Entry(
        "ramac_jax.actors.distilled:distilled_flow_actor",
        {
            "num_steps": 10,
            "widths": (128, 128, 128),
            "time_width": 4,
            "student_widths": (128, 128),
        },
    ),
    "perturbed-vae": Entry(
        "ramac_jax.actors.perturbed:perturbed_vae_actor",
        {"radius": 0.25, "widths": (256, 256)},
    ),
    "perturbed-diffusion": Entry(
        "ramac_jax.actors.perturbed:perturbed_diffusion_actor",
        {"num_steps": 5, "radius": 0.25, "widths": (256, 256, 256)},
    ),
    "perturbed-flow": Entry(
        "ramac_jax.actors.perturbed:perturbed_flow_actor",
        {"num_steps": 10, "radius": 0.25, "widths": (128, 128, 128)},
    ),
}
"""Builders `(action_dim, **options) -> Actor`."""

CRITICS = {
    "categorical": Entry(
        "ramac_jax.critics.categorical:categorical_critic",
        {"num_critics": 2, "widths": (256, 256), "num_atoms": 101},
        takes_dtype=True,
    ),
    "quantile": Entry(
        "ramac_jax.critics.implicit_quantile:iqn_critic",
        {"num_critics": 2, "width": 256, "embedding_width": 128, "num_cosines": 32},
        takes_dtype=True,
    ),
    "value": Entry(
        "ramac_jax.critics.value:value_critic",
        {"num_critics": 2, "widths": (256, 256)},
        mean_only=True,
    ),
}
"""Builders `(num_critics, **options) -> Critic`; of a categorical one
`(low, high, num_critics, **options)`."""

HEADS = {
    "plain": Entry("ramac_jax.networks.heads.plain:plain_head"),
    "rematerialized": Entry("ramac_jax.networks.heads.plain:rematerialized_head"),
    "fused": Entry("ramac_jax.networks.heads.fused:fused_head"),
}
"""Implementations of the critic's last two layers; see `ramac_jax.networks.heads`."""

RISK_MEASURES = {
    "neutral": Entry("ramac_jax.risk:neutral"),
    "cvar": Entry("ramac_jax.risk:cvar"),
    "wang": Entry("ramac_jax.risk:wang"),
    "cpw": Entry("ramac_jax.risk:cpw"),
    "power": Entry("ramac_jax.risk:power"),
}
"""`ramac_jax.risk.RiskMeasure`s, which know the levels that they allow."""

PENALTIES = {
    "quantiles": Entry("ramac_jax.losses:quantile_gap"),
    "values": Entry("ramac_jax.losses:value_gap"),
}
"""Conservative penalties of the critics."""

PRECISIONS = {
    "float32": Precision(dtype=None, matmul="highest"),
    "tf32": Precision(dtype=None, matmul=None),
    "bfloat16": Precision(dtype="bfloat16", matmul=None),
}
"""Number formats of training; `tf32` is JAX's default on a GPU, float32 on a CPU."""

SAMPLERS = ("grid", "random", "qmc", "tpe", "cmaes", "gp")
"""What chooses the settings of a search; `ramac_jax.search.make_sampler` makes them."""
PRUNERS = ("none", "halving", "hyperband")
"""What stops settings on the way; `ramac_jax.search.make_pruner` makes them."""
