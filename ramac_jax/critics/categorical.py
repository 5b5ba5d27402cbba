"""An ensemble of categorical returns: a histogram for each state and action."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ramac_jax.broadcasting import lift
from ramac_jax.compute.flat_params import functional
from ramac_jax.compute.sums import sum_of
from ramac_jax.errors import InputError, check_counts
from ramac_jax.losses import bin_centres, cross_entropy
from ramac_jax.networks.layers import MLP
from ramac_jax.pickling import picklable
from ramac_jax.types import Array, Critic, Key, Params, ReturnLaw, Scalar

SOFTENING, SOFTENING_AT_ENDS = 1e-3, 1e-5
"""Least fraction over which a bin fills up, and that of a bin beyond nearly all
others; see `histogram_quantiles`."""


@picklable
def categorical_critic(
    low: float,
    high: float,
    num_critics: int = 2,
    *,
    widths: Sequence[int] = (256, 256),
    num_atoms: int = 101,
    dtype: str | None = None,
) -> Critic:
    """Build an ensemble of categorical returns (Bellemare et al., 2017).

    A network gives the probabilities of K equal bins of [low, high]. It learns them by
    cross-entropy, which sees a rare penalty as its probability, and its quantiles at
    any number of fractions cost one pass of the network. Its hidden layers are
    normalized (Ba et al., 2016): without it the critic overestimates actions that the
    data lack.

    A further class is the probability that an action is out of distribution (OOD). The
    data's actions teach it 0 and sampled OOD actions 1, with the weight w of
    `Hyperparams.ood_weight`, so that it approaches w u / (w u + beta), where
    beta(a | s) is the density of the data's actions and u that of the sampled ones.
    Targets and predictions leave the class out. A policy acts on returns that lie in a
    bin below `low` with its probability. Where that is above the level of a CVaR, the
    CVaR is flat: keep w small.

    Args:
      low: least return; `value_range` measures both bounds.
      high: greatest return. Returns beyond the bounds count as the outer bins.
      num_critics: E; the agent takes the minimum over them.
      widths: hidden layers.
      num_atoms: K, bins.
      dtype: that the network computes in, such as "bfloat16"; parameters,
        probabilities and loss keep theirs. None: the dtype of the parameters.

    Raises `InputError` for a number below 1, and for bounds that are no finite range.
    """
    check_counts(num_critics=num_critics, widths=widths, num_atoms=num_atoms)
    if not -jnp.inf < low < high < jnp.inf:
        raise InputError(
            f"low is {low} and high {high}: give finite bounds, low below high"
        )
    network = MLP(tuple(widths), 1 + num_atoms, layer_norm=True)  # OOD, and bins
    member = functional(network, dtype)
    width = (high - low) / num_atoms

    def init(key: Key, observation: Array, action: Array) -> Params:
        pair = jnp.concatenate([observation, action], axis=-1)
        keys = jax.random.split(key, num_critics)
        return jax.vmap(member.init, in_axes=(0, None))(keys, pair)

    def logits(params: Params, observation: Array, action: Array) -> Array:
        pair = jnp.concatenate([observation, action], axis=-1)
        each = jax.vmap(member.apply, in_axes=(0, None))(params, pair)
        return each.astype(pair.dtype)

    def quantiles(
        params: Params, observation: Array, action: Array, tau: Array
    ) -> Array:
        bins = logits(params, observation, action)[..., 1:]
        return histogram_quantiles(jax.nn.softmax(bins), tau, low, high)

    def law(params: Params, observation: Array, action: Array) -> tuple[Array, Array]:
        bins = logits(params, observation, action)[..., 1:]
        return bin_centres(low, high, num_atoms), jax.nn.softmax(bins)

    def pessimistic_quantiles(
        params: Params, observation: Array, action: Array, tau: Array
    ) -> Array:
        probabilities = jax.nn.softmax(logits(params, observation, action))
        return histogram_quantiles(probabilities, tau, low - width, high)

    def ood_loss(params: Params, observation: Array, ood_actions: Array) -> Array:
        return -jax.nn.log_softmax(logits(params, observation, ood_actions))[..., 0]

    def loss(
        params: Params,
        observation: Array,
        action: Array,
        target: ReturnLaw,
        tau: Array,
        kappa: Scalar,
    ) -> Array:
        del tau, kappa
        classes = jax.nn.log_softmax(logits(params, observation, action))
        value, value_axis = over_critics(target.value)
        weight, weight_axis = over_critics(target.weight)
        per_row = jax.vmap(cross_entropy, in_axes=(0, 0, 0, None, None))
        axes = 0, value_axis, weight_axis, None, None
        per_critic = jax.vmap(per_row, in_axes=axes)
        return per_critic(classes[..., 1:], value, weight, low, high)

    return Critic(
        init=init,
        quantiles=quantiles,
        loss=loss,
        law=law,
        low=low + 0.5 * width,
        high=high - 0.5 * width,
        pessimistic_quantiles=pessimistic_quantiles,
        ood_loss=ood_loss,
    )


def over_critics(x: Array) -> tuple[Array, int | None]:
    """Return x [E, ...], or x[0] where the critics share one, and its vmapped axis."""
    return (x[0], None) if len(x) == 1 else (x, 0)


def histogram_quantiles(
    probabilities: Array, tau: Array, low: float, high: float
) -> Array:
    """Quantiles [..., N] at fractions tau [N] of histograms [..., K] on [low, high].

    Z(tau) = low + width sum_k f_k(tau), where f_k is the filled share of bin k: it
    rises from 0 to 1 while tau passes the probability p_k of the bin. A bin of
    p_k < `SOFTENING` fills up over that fraction instead, around the same middle:
    dZ/dp is up to 1 / p_k, and the gradient of an empty bin would drown all others.
    Near 0 and 1 it fills up over what lies between: bins below the law are full at 0.
    """
    width = (high - low) / probabilities.shape[-1]
    middle = jnp.cumsum(probabilities, axis=-1) - 0.5 * probabilities
    room = jnp.maximum(2.0 * jnp.minimum(middle, 1.0 - middle), SOFTENING_AT_ENDS)
    rise = jnp.maximum(probabilities, jnp.minimum(SOFTENING, room))
    return low + width * filled_bins(tau, middle, rise)


@jax.custom_vjp
def filled_bins(tau: Array, middle: Array, rise: Array) -> Array:
    """sum_k f_k(tau) of tau [N], and of the middle and the rise [..., K] of each bin.

    f_k(tau) = clip(1/2 + (tau - middle_k) / rise_k, 0, 1); returns [..., N]. Its
    gradient is written by hand, so only reverse mode can differentiate it. A training
    step stores no array [..., N, K].
    """
    fraction = lift(tau[:, None], middle.ndim + 1)
    share = 0.5 + (fraction - middle[..., None, :]) / rise[..., None, :]
    return jnp.sum(jnp.clip(share, 0.0, 1.0), axis=-1)


def _filled_bins_forward(
    tau: Array, middle: Array, rise: Array
) -> tuple[Array, tuple[Array, Array, Array]]:
    fraction = lift(tau, middle.ndim)

    def filled(of_bin: tuple[Array, Array]) -> Array:
        centre, width = (x[..., None] for x in of_bin)
        return jnp.clip(0.5 + (fraction - centre) / width, 0.0, 1.0)

    bins = jnp.moveaxis(middle, -1, 0), jnp.moveaxis(rise, -1, 0)
    return sum_of(filled, bins), (tau, middle, rise)


def _filled_bins_backward(
    inputs: tuple[Array, Array, Array], cotangent: Array
) -> tuple[Array, Array, Array]:
    tau, middle, rise = inputs

    fraction = lift(tau, middle.ndim)

    def by_fraction(at: tuple[Array, Array]) -> tuple[Array, Array]:
        share = (at[0] - middle) / rise
        rising = jnp.where(jnp.abs(share) < 0.5, at[1][..., None], 0.0)
        return rising, rising * share

    def by_bin(of_bin: tuple[Array, Array]) -> Array:
        centre, width = (x[..., None] for x in of_bin)
        rising = jnp.abs((fraction - centre) / width) < 0.5
        return jnp.where(rising, cotangent / width, 0.0)

    rising, weighted = sum_of(by_fraction, (tau, jnp.moveaxis(cotangent, -1, 0)))
    bins = jnp.moveaxis(middle, -1, 0), jnp.moveaxis(rise, -1, 0)
    of_tau = sum_of(by_bin, bins).reshape(-1, len(tau)).sum(axis=0)
    return (
        of_tau.astype(tau.dtype),
        (-rising / rise).astype(middle.dtype),
        (-weighted / rise).astype(rise.dtype),
    )


filled_bins.defvjp(_filled_bins_forward, _filled_bins_backward)
