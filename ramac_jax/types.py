"""The vocabulary of the library: every container and contract.

Shapes: B batch, O observation, A action, N fractions, E critics, T sampler steps,
Z noise. Order of arguments everywhere: parameters or state, data, key or noise,
hyperparameters.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ramac_jax.hyperparams import Hyperparams

Array = jax.Array
Key = jax.Array
Scalar = jax.Array | float
Params = Any  # a pytree of network parameters
Metrics = dict[str, Array]  # each a scalar
Tree = TypeVar("Tree")
MeanFn = Callable[[Any], Any]
"""The mean of a tree over the devices that share a batch; alone, the tree itself. It is
hashable, so that a jitted update can be traced once for each mean."""
MicroBatchFn = Callable[[int, int], int | None]
"""(rows of a batch, values of the return of each: fractions or those of a law) -> rows
to compute at a time; None: all of them."""


def as_float(value: Any) -> Any:
    """Return a number of Python or NumPy as a float; anything else as it is."""
    alone = isinstance(value, np.ndarray) and value.ndim == 0
    number = isinstance(value, bool | int | float | np.number | np.bool_) or alone
    return float(value) if number else value


def hyperparams_leaves(hyperparams: Hyperparams) -> tuple[Any, ...]:
    """Return the fields as JAX traces them: an integer as a float.

    A field that is None marks the axes of `jax.vmap`, whose integers stay.
    """
    if any(x is None for x in hyperparams):
        return tuple(hyperparams)
    return tuple(map(as_float, hyperparams))


HYPERPARAMS_KEYS = tuple(map(jax.tree_util.GetAttrKey, Hyperparams._fields))
jax.tree_util.register_pytree_with_keys(  # as any named tuple, but for integers
    Hyperparams,
    lambda x: (zip(HYPERPARAMS_KEYS, hyperparams_leaves(x), strict=True), None),
    lambda _, leaves: Hyperparams(*leaves),
    lambda x: (hyperparams_leaves(x), None),
)


class ReturnLaw(NamedTuple):
    """Laws of the return, for critics E and rows B; one law may stand for all critics.

    `Critic.quantiles` gives values that are equally likely, `Critic.law` others.
    """

    value: Array  # [E or 1, B, M]
    probability: Array | None = None  # likewise, a sum of 1; None: equally likely

    @property
    def weight(self) -> Array:
        """The probability of each value, given or not."""
        if self.probability is None:
            return jnp.full_like(self.value, 1.0 / self.value.shape[-1])
        return self.probability


class Transition(NamedTuple):
    """One step of experience, or a batch of them along a leading axis.

    A dataset [D, ...] whose rows are in the order of time may say with `steps` where
    its episodes end. From it `sample_batch` joins several steps to the rows of a batch:
    the rewards of up to n steps, and the state after the last of them.
    """

    observation: Array  # [B, O]
    action: Array  # [B, A], each coordinate in [-1, 1]
    reward: Array  # [B]; of joined steps [B, n], 0 after the last of them
    next_observation: Array  # [B, O], after the last step
    terminated: Array  # [B], 1 where the task ended the episode; a time limit is 0
    steps: Array | None = None
    """In a dataset [D]: steps from this one to the end of its episode or record, both
    included. In a batch of joined steps [B]: their number. None: not known, and every
    row is one step."""


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
    """Metrics of one agent, summed over its updates since the sums were zero."""

    sums: Metrics  # of each metric over the updates made
    updates: Array  # [], how many were made; refused updates do not count


class Noise(NamedTuple):
    """All random numbers of one update, so that the rest of it is deterministic."""

    shared: Any  # the same for every row of the batch, such as fractions
    rows: Any  # leaves [..., B, Z], some for each row


class InitFn(Protocol):
    """Initial parameters; of the examples [..., O] and [..., A] only shapes matter."""

    def __call__(self, key: Key, observation: Array, action: Array, /) -> Params: ...


class DrawNoiseFn(Protocol):
    """The noise that a sampler or a loss consumes for observations [..., O].

    For a batch [B, O] an array, or a tree of arrays, [..., B, Z]. Of the observations
    only shape and type matter.
    """

    def __call__(self, observation: Array, key: Key, /) -> Any: ...


class SampleFromNoiseFn(Protocol):
    """a = psi_theta(s, z): actions [..., A] in [-1, 1] for observations [..., O].

    Differentiable in `params` through every step of the sampler.
    """

    def __call__(self, params: Params, observation: Array, noise: Any, /) -> Array: ...


class BCLossFromNoiseFn(Protocol):
    """Behaviour-cloning loss of the data's actions [..., A], a mean over the batch."""

    def __call__(
        self, params: Params, observation: Array, action: Array, noise: Any, /
    ) -> Array: ...


class QuantilesFn(Protocol):
    """Returns' quantiles [E, B, N] at the fractions tau [N], shared by the batch."""

    def __call__(
        self, params: Params, observation: Array, action: Array, tau: Array, /
    ) -> Array: ...


class LawFn(Protocol):
    """The whole law of the returns: values [M] and their probabilities [E, B, M]."""

    def __call__(
        self, params: Params, observation: Array, action: Array, /
    ) -> tuple[Array, Array]: ...


class RiskMeasureFn(Protocol):
    """Uniform fractions tau [N] to the fractions [N] that a risk measure reads."""

    def __call__(self, tau: Array, level: Scalar, /) -> Array: ...


class CriticLossFn(Protocol):
    """Losses [E, B] of the returns of (s, a) against target laws [E or 1, B, M].

    tau [N] are fractions at which quantiles may be compared, kappa is the threshold of
    a Huber loss; a critic may need neither.
    """

    def __call__(
        self,
        params: Params,
        observation: Array,
        action: Array,
        target: ReturnLaw,
        tau: Array,
        kappa: Scalar,
        /,
    ) -> Array: ...


class OODLossFn(Protocol):
    """Losses [E, B] that teach critics that actions [B, A] are out of distribution."""

    def __call__(
        self, params: Params, observation: Array, ood_actions: Array, /
    ) -> Array: ...


class QuantileLossFn(Protocol):
    """Loss of predicted quantiles [N] at fractions tau [N] against targets [M]."""

    def __call__(
        self, predicted: Array, target: Array, tau: Array, kappa: Scalar, /
    ) -> Array: ...


class ConservativeFn(Protocol):
    """How far candidates' quantiles [C, N] lie above those of the data's action [N]."""

    def __call__(self, candidates: Array, taken: Array, /) -> Array: ...


class AgentInitFn(Protocol):
    """A fresh state; of the example [B, ...] only the shapes matter."""

    def __call__(self, key: Key, example: Transition, /) -> State: ...


class UpdateNoiseFn(Protocol):
    """The noise of one update; of the batch [B, ...] only shapes and types matter."""

    def __call__(self, batch: Transition, key: Key, /) -> Noise: ...


class UpdateFromNoiseFn(Protocol):
    """One gradient step of the critics, then of the actor, given its noise.

    Gradients, metrics and every other mean over the rows of `batch` go through `mean`,
    the mean over the devices that have a shard of the batch each.
    """

    def __call__(
        self,
        state: State,
        batch: Transition,
        noise: Noise,
        hyperparams: Hyperparams,
        mean: MeanFn,
        /,
    ) -> tuple[State, Metrics]: ...


class ActFn(Protocol):
    """One action [..., A] per observation [..., O], by the policy in training.

    `ramac_jax.acting.ActingOptions` describes the options. Raises `InputError` for
    numbers out of their range, and for candidates without a level that ranks them.
    """

    def __call__(
        self,
        state: State,
        observation: Array,
        key: Key,
        /,
        *,
        temperature: Scalar = 1.0,
        num_candidates: int = 1,
        risk_level: Scalar | None = None,
        softmax_temperature: Scalar = 0.0,
    ) -> Array: ...


class Actor(NamedTuple):
    """A generative policy a = psi_theta(s, z), as pure functions of its noise z."""

    init: InitFn
    draw_noise: DrawNoiseFn
    sample_from_noise: SampleFromNoiseFn
    draw_bc_noise: DrawNoiseFn
    bc_loss_from_noise: BCLossFromNoiseFn

    def sample(self, params: Params, observation: Array, key: Key) -> Array:
        """Draw one action [..., A] in [-1, 1] for each observation [..., O]."""
        noise = self.draw_noise(observation, key)
        return self.sample_from_noise(params, observation, noise)

    def bc_loss(
        self, params: Params, observation: Array, action: Array, key: Key
    ) -> Array:
        """Behaviour-cloning loss of actions [..., A], a mean over the batch."""
        noise = self.draw_bc_noise(observation, key)
        return self.bc_loss_from_noise(params, observation, action, noise)


class Critic(NamedTuple):
    """A distributional action value, as pure functions."""

    init: InitFn
    quantiles: QuantilesFn
    loss: CriticLossFn  # that brings its returns to their targets
    law: LawFn | None = None
    """The whole law of its returns, which targets then read; None: they read
    `quantiles` at random fractions."""
    low: float = -math.inf  # least and greatest target that it can represent
    high: float = math.inf
    pessimistic_quantiles: QuantilesFn | None = None
    """Quantiles that a policy acts on, lower for actions that are out of distribution
    (OOD); None: `quantiles`."""
    ood_loss: OODLossFn | None = None
    """Loss of sampled OOD actions, times `ood_weight`; None: no class of them."""
    mean_only: bool = False  # every quantile is the mean, so that one says all

    @property
    def acting_quantiles(self) -> QuantilesFn:
        """The quantiles that a policy acts on."""
        return self.pessimistic_quantiles or self.quantiles


def same(tree: Tree) -> Tree:
    """Return the tree: the `MeanFn` of a batch that no devices share."""
    return tree


class Agent(NamedTuple):
    """The algorithm, as pure functions."""

    init: AgentInitFn
    draw_noise: UpdateNoiseFn
    update_from_noise: UpdateFromNoiseFn
    act: ActFn
    risk_measure: RiskMeasureFn  # that `Hyperparams.risk_level` is a level of
    target_steps: int = 1  # n, steps that a row of its batches joins at most
    single_step: bool = False  # every transition that it learns from ends its episode
    ignores_ood_weight: bool = False  # its critics have the class, and no OOD actions

    def update(
        self, state: State, batch: Transition, key: Key, hyperparams: Hyperparams
    ) -> tuple[State, Metrics]:
        """Take one gradient step of the critics, then of the actor.

        Pure: jit it, vmap it, scan it. The batch is [B, ...]; the metrics are scalars.
        """
        noise = self.draw_noise(batch, key)
        return self.update_from_noise(state, batch, noise, hyperparams, same)
