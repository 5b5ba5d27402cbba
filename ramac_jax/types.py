"""The vocabulary of the library: every container and contract, no computation.

Shapes: B batch, O observation, A action, N fractions, E critics, T sampler steps.
Order of arguments everywhere: what is carried, what it acts on, the key, the knobs.
"""

from typing import Any, NamedTuple, Protocol

import jax
import optax

Array = jax.Array
Key = jax.Array
Scalar = jax.Array | float
Params = Any  # a pytree of network weights
Metrics = dict[str, Array]  # each a scalar


class Transition(NamedTuple):
    """One step of experience, or a batch of them along a leading axis."""

    observation: Array  # [B, O]
    action: Array  # [B, A], each coordinate in [-1, 1]
    reward: Array  # [B]
    next_observation: Array  # [B, O]
    terminated: Array  # [B], 1 where the task ended the episode; a time limit is 0


class Hyperparams(NamedTuple):
    """Every number that may differ between the members of one vmapped population.

    Each leaf is a traced scalar: changing one never recompiles, and stacking many
    along a leading axis (see `grid`) is a sweep. Give floats, not integers: JAX would
    compile once more for another dtype. The defaults are the published preset of
    halfcheetah-medium-expert. Lengths are counted in updates, values in returns.
    """

    actor_learning_rate: float = 3e-4
    """Adam step of the actor."""
    critic_learning_rate: float = 5e-5
    """Adam step of the critics."""
    max_grad_norm: float = 5.0
    """Largest gradient norm of each part of the actor, and of each critic."""
    discount: float = 0.99
    """gamma: weight of the return one step later."""
    target_rate: float = 0.005
    """Polyak step of the target critics."""
    ema_rate: float = 0.005
    """Step of the moving average that is the target actor."""
    bc_weight: float = 1.0
    """Weight of behaviour cloning, L_bc."""
    risk_weight: float = 0.02
    """Weight of the risk term, L_risk, once warmed up."""
    risk_level: float = 0.1
    """Level of the distortion; for CVaR the share of worst outcomes, alpha."""
    risk_warmup: float = 0.0
    """Updates during which the risk term has no weight."""
    risk_ramp: float = 0.0
    """Updates over which its weight then rises linearly; 0: at once."""
    value_min: float = -300.0
    """Lower bound of the Bellman targets; -inf: none."""
    value_max: float = 300.0
    """Upper bound of the Bellman targets; inf: none."""
    huber_threshold: float = 1.0
    """kappa: error at which the quantile loss turns from quadratic to linear."""
    conservative_weight: float = 0.0
    """Weight of the critics' conservative term, where the agent has one."""
    decay_steps: float = float("inf")
    """Updates over which both learning rates fall to 0 along a cosine; inf: never."""


class State(NamedTuple):
    """All that one agent carries from update to update: arrays only, safe to donate."""

    actor_params: Params
    target_actor_params: Params
    critic_params: Params  # every leaf with a leading axis [E]
    target_critic_params: Params  # likewise
    actor_opt_state: optax.OptState
    critic_opt_state: optax.OptState  # every leaf with a leading axis [E]
    step: Array  # [], updates made so far


class MetricSums(NamedTuple):
    """What one agent's updates came to since the metric_sums was empty."""

    sums: Metrics  # of each metric over the updates made
    updates: Array  # [], how many were made; those refused are not among them


class InitFn(Protocol):
    """Initial parameters; of the examples [..., O] and [..., A] only shapes matter."""

    def __call__(self, key: Key, observation: Array, action: Array, /) -> Params: ...


class SampleFn(Protocol):
    """Actions [..., A] in [-1, 1] for observations [..., O].

    Differentiable in `params` through every step of the sampler.
    """

    def __call__(self, params: Params, observation: Array, key: Key, /) -> Array: ...


class BCLossFn(Protocol):
    """Behaviour-cloning loss of the data's actions [..., A], a mean over the batch."""

    def __call__(
        self, params: Params, observation: Array, action: Array, key: Key, /
    ) -> Array: ...


class DrawNoiseFn(Protocol):
    """The noise that a sampler or a loss consumes for observations [..., O].

    For a batch [B, O] an array, or a tree of arrays, [..., B, Z]. Of the observations
    only shape and type matter.
    """

    def __call__(self, observation: Array, key: Key, /) -> Any: ...


class SampleFromNoiseFn(Protocol):
    """a = psi_theta(s, z): the sampler as a deterministic function of its noise."""

    def __call__(self, params: Params, observation: Array, noise: Any, /) -> Array: ...


class BCLossFromNoiseFn(Protocol):
    """`BCLossFn` as a deterministic function of its noise."""

    def __call__(
        self, params: Params, observation: Array, action: Array, noise: Any, /
    ) -> Array: ...


class QuantilesFn(Protocol):
    """Returns' quantiles [E, B, N] at the fractions tau [N], shared by the batch."""

    def __call__(
        self, params: Params, observation: Array, action: Array, tau: Array, /
    ) -> Array: ...


class DistortionFn(Protocol):
    """Uniform fractions tau [N] to the fractions [N] that a risk measure reads."""

    def __call__(self, tau: Array, level: Scalar, /) -> Array: ...


class CriticLossFn(Protocol):
    """Loss of predicted quantiles [N] at fractions tau [N] beside target draws [M]."""

    def __call__(
        self, predicted: Array, target: Array, tau: Array, kappa: Scalar, /
    ) -> Array: ...


class ConservativeFn(Protocol):
    """How far candidates' quantiles [C, N] lie above those of the data's action [N]."""

    def __call__(self, candidates: Array, taken: Array, /) -> Array: ...


class AgentInitFn(Protocol):
    """A fresh state; of the example [B, ...] only the shapes matter."""

    def __call__(self, key: Key, example: Transition, /) -> State: ...


class UpdateFn(Protocol):
    """One gradient step of the critics, then of the actor."""

    def __call__(
        self, state: State, batch: Transition, key: Key, hyperparams: Hyperparams, /
    ) -> tuple[State, Metrics]: ...


class SharedUpdateFn(Protocol):
    """`UpdateFn` of a share of the batch, mapped over an axis of the shares.

    State, key and knobs are the same for all shares, and so is what comes of them: that
    of the whole batch but for rounding. Map it by `jax.vmap`, or by `jax.shard_map`
    with `check_vma=False`.
    """

    def __call__(
        self,
        state: State,
        batch: Transition,
        key: Key,
        hyperparams: Hyperparams,
        axis_name: str,
    ) -> tuple[State, Metrics]: ...


class ActFn(Protocol):
    """One action [..., A] per observation [..., O], by the policy as it stands."""

    def __call__(self, state: State, observation: Array, key: Key, /) -> Array: ...


class Actor(NamedTuple):
    """A generative policy a = psi_theta(s, z), as pure functions.

    Where noise can be drawn apart from its use, the last four fields tell of it, all of
    them: `sample(params, observation, key)` is then
    `sample_from_noise(params, observation, draw_noise(observation, key))`, and likewise the
    loss (`ramac_jax.actors.from_noise`). Devices can then share a batch.
    """

    init: InitFn
    sample: SampleFn
    bc_loss: BCLossFn
    draw_noise: DrawNoiseFn | None = None
    sample_from_noise: SampleFromNoiseFn | None = None
    draw_bc_noise: DrawNoiseFn | None = None
    bc_loss_from_noise: BCLossFromNoiseFn | None = None


class Critic(NamedTuple):
    """A distributional action value, as pure functions."""

    init: InitFn
    quantiles: QuantilesFn
    loss: CriticLossFn  # what brings its quantiles to their targets
    width: int = 0  # units of its widest layer with an axis of fractions; 0: none has


class Agent(NamedTuple):
    """The algorithm, as pure functions."""

    init: AgentInitFn
    update: UpdateFn
    act: ActFn
    # Where devices can share a batch; whoever replaces `update` replaces this too.
    shared_update: SharedUpdateFn | None = None
