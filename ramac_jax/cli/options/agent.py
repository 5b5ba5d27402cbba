"""Options of the agent: its actor, critics, risk measure and number formats."""

import dataclasses
from typing import Annotated

from ramac_jax.cli.options.sections import choices
from ramac_jax.registry import (
    ACTORS,
    CRITICS,
    HEADS,
    PENALTIES,
    PRECISIONS,
    RISK_MEASURES,
)

DEFAULT_HEAD, DEFAULT_PRECISION = "plain", "tf32"


@dataclasses.dataclass(frozen=True)
class AgentSpec:
    """The agent, by the names of `ramac_jax.registry`."""

    actor: Annotated[str, choices(tuple(ACTORS), "Generative policy")] = "diffusion"
    sampler_steps: int | None = None
    """Denoising or Euler steps; None: 5 for a diffusion, 10 for a flow."""
    actor_widths: tuple[int, ...] | None = None
    """Hidden layers of the actor, of a distilled actor those of its teacher; None: the
    default of the actor in ramac_jax.registry."""
    radius: float | None = None
    """Largest move of each coordinate of the prior's action by a perturbed actor; None:
    0.25."""
    risk_measure: Annotated[
        str, choices(tuple(RISK_MEASURES), "Risk measure, at --risk-level")
    ] = "cvar"
    num_quantiles: int = 32
    """Fractions drawn per update, N: of the actor's value, and of the quantiles and
    targets of a quantile critic."""
    num_risk_quantiles: int | None = None
    """Fractions of the actor's value, one in each of as many equal strata (ORAAC: 8);
    None: as many as --num-quantiles, drawn freely as in the paper."""
    num_critics: int = 2
    """Critics, of which the lowest value counts; 0: behaviour cloning alone."""
    critic: Annotated[
        str,
        choices(
            tuple(CRITICS),
            "The return's probabilities, its quantiles as in the paper, or its mean",
        ),
    ] = "categorical"
    num_atoms: int = 101
    """Values of the return that a categorical critic gives probabilities to."""
    value_range: tuple[float, float] | None = None
    """Lowest and highest return of a categorical critic; None: those of the data, and a
    quarter of their distance on each side."""
    target_steps: int = 1
    """Rewards of the data that a target sums before it asks the critics for the rest,
    or with --target-lambda below 1 sums at most; above 1, targets lean towards the
    policy that recorded the data."""
    independent_targets: bool = True
    """Each critic learns from its own target network; otherwise all from the lowest of
    them, as in the paper."""
    conservative: Annotated[
        str | None,
        choices(tuple(PENALTIES), "Conservative penalty of the critics, on their"),
    ] = None
    num_candidates: int = 10
    """Uniform actions that the penalty compares with the data's, and as many actions of
    the policy."""
    num_penalty_quantiles: int | None = None
    """Fractions of the penalty, one in each of as many equal strata; None: those of the
    critics' loss."""
    normalize_value: bool = False
    """Divide the value that the actor maximises by its mean size in the batch."""
    critic_width: int = 256
    """Units of the critics' hidden layers; of critics other than quantile, both."""
    embedding_width: int = 128
    """Units of the product of the two embeddings of a quantile critic."""
    num_cosines: int = 32
    """Cosines that describe a fraction to a quantile critic."""
    head: Annotated[
        str,
        choices(
            tuple(HEADS),
            "Implementation of the last layers of quantile critics, which changes "
            "memory and speed alone",
        ),
    ] = DEFAULT_HEAD
    precision: Annotated[
        str,
        choices(
            tuple(PRECISIONS),
            "Number format of training, with weights and losses in float32; tf32 is "
            "JAX's own default on a GPU and means float32 on a CPU, bfloat16 is for "
            "diffusion and flow actors, and categorical and quantile critics",
        ),
    ] = DEFAULT_PRECISION
