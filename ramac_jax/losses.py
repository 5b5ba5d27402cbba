"""The equations of the paper, each for one transition; callers vmap over a batch."""

import jax
import jax.numpy as jnp

from ramac_jax.broadcasting import lift
from ramac_jax.compute.sums import sum_of
from ramac_jax.types import Array, ReturnLaw, Scalar


def quantile_huber(
    predicted: Array, target: Array, tau: Array, kappa: Scalar = 1.0
) -> Array:
    """E_{tau, tau'}[ |tau - 1{delta < 0}| H_kappa(delta) ], delta = target - predicted.

    predicted [N] are quantiles at the fractions tau [N]; target [M] are draws of the
    return, on a separate axis: tau belongs to the prediction.
    H_kappa is delta^2 / 2 up to kappa, then kappa (|delta| - kappa / 2).
    """
    error = target[None, :] - predicted[:, None]  # [N, M]
    size = jnp.abs(error)
    small = jnp.minimum(size, kappa)
    huber = small * (size - 0.5 * small)
    weight = jnp.abs(tau[:, None] - (error < 0.0))
    return jnp.mean(weight * huber)


def squared_error(
    predicted: Array, target: Array, tau: Array, kappa: Scalar = 1.0
) -> Array:
    """Mean squared error of predicted [N] against target [M], minimal at the mean.

    tau and kappa are unused arguments of `quantile_huber`.
    """
    del tau, kappa
    return jnp.mean((target[None, :] - predicted[:, None]) ** 2)


def cross_entropy(
    log_probability: Array, target: Array, probability: Array, low: float, high: float
) -> Array:
    """-sum_k m_k log p_k of a categorical return: log p [K] -> [].

    The return is one of K equal bins of [low, high], and m_k is the law of the target,
    values [M] with probabilities [M], as `project` puts it on the bins.
    """
    projected = project(target, probability, low, high, log_probability.shape[-1])
    return -jnp.sum(projected * log_probability)


def project(
    value: Array, probability: Array, low: float, high: float, num_bins: int
) -> Array:
    """Law [K] on K equal bins of [low, high] of values [M] with probabilities [M].

    A value falls on the two bins whose centres surround it, nearer ones more, so that
    its mean is kept; values beyond the outer centres count as those (Bellemare et al.,
    2017). At a distance of f widths from the nearest centre this adds f (1 - f) squared
    widths to the variance, at every backup anew. So the nearest bin takes f (1 - f) / 2
    of the value's probability from each of its neighbours, of all values together at
    most half of what a neighbour holds: no bin falls below 0 (flux-corrected transport,
    Boris and Book, 1973). A law that is smooth over a few bins keeps its variance; a
    single value stays on two bins.
    """
    place = (value - low) * (num_bins / (high - low)) - 0.5  # in widths
    inside = jnp.clip(place, 0.0, num_bins - 1.0)
    bins = jnp.arange(num_bins, dtype=inside.dtype)

    def of_value(at: tuple[Array, Array]) -> tuple[Array, Array]:
        distance = jnp.abs(at[0] - bins)
        excess = jnp.where(distance < 0.5, 0.5 * distance * (1.0 - distance), 0.0)
        return at[1] * jnp.maximum(0.0, 1.0 - distance), at[1] * excess

    spread, excess = sum_of(of_value, (inside, probability))
    below, above = jnp.pad(spread[:-1], (1, 0)), jnp.pad(spread[1:], (0, 1))
    back = jnp.minimum(excess, 0.5 * jnp.minimum(below, above))
    return spread + 2.0 * back - jnp.pad(back[:-1], (1, 0)) - jnp.pad(back[1:], (0, 1))


def bin_centres(low: float, high: float, num_bins: int) -> Array:
    """Centres [K] of K equal bins of [low, high]."""
    return low + (high - low) / num_bins * (jnp.arange(num_bins) + 0.5)


def least_law(probability: Array) -> Array:
    """Law [M] of the return min_e Z_e(tau), of laws [E, M] on the same values.

    The values ascend. The least of quantile functions has the largest of distribution
    functions, so that no quantile is computed.
    """
    below = jnp.max(jnp.cumsum(probability, axis=-1), axis=0)
    return jnp.diff(below, prepend=jnp.zeros_like(below[:1]))


def expectation(laws: ReturnLaw) -> Array:
    """Mean of all laws' means: a scalar."""
    return jnp.mean(jnp.sum(laws.value * laws.weight, axis=-1))


def quantile_gap(candidates: Array, taken: Array) -> Array:
    """E_tau[ log mean_c exp Z(s, a_c; tau) - Z(s, a; tau) ]: [C, N], [N] -> [].

    CODAC's penalty (Ma et al., 2021), for each quantile separately.
    """
    return jnp.mean(log_mean_exp(candidates) - taken)


def value_gap(candidates: Array, taken: Array) -> Array:
    """log mean_c exp Q(s, a_c) - Q(s, a), Q = E_tau Z: [C, N], [N] -> [].

    CQL's penalty (Kumar et al., 2020) plus a constant: a mean replaces its sum.
    """
    return log_mean_exp(jnp.mean(candidates, axis=1)) - jnp.mean(taken)


def log_mean_exp(x: Array) -> Array:
    """log of the mean of e^x over the first axis."""
    return jax.nn.logsumexp(x, axis=0) - jnp.log(x.shape[0])


def join_steps(reward: Array, steps: Array, discount: Scalar) -> tuple[Array, Array]:
    """sum_{k < n} gamma^k r_k, and the weight gamma^n of the return that follows.

    reward [..., n'] is 0 after the first `steps` [...], which are n.
    """
    weights = lift(discount ** jnp.arange(reward.shape[-1]), reward.ndim)
    return jnp.sum(weights * reward, axis=-1), discount**steps


def bellman_target(
    reward: Array,
    terminated: Array,
    discount: Scalar,
    quantiles: Array,
    value_min: Scalar = -jnp.inf,
    value_max: Scalar = jnp.inf,
) -> Array:
    """r + gamma (1 - terminated) min_e Z_e(s', a'; tau'), clipped to the value range.

    quantiles [E, M] -> [M]; the minimum is taken at each fraction, and of one critic is
    that critic. No gradient flows.
    """
    pessimistic = least(quantiles)
    target = reward + discount * (1.0 - terminated) * pessimistic
    return jax.lax.stop_gradient(jnp.clip(target, value_min, value_max))


def risk_adjusted_value(quantiles: Array) -> Array:
    """Mean over distorted fractions of min_e Z_e(s, a; tau): quantiles [E, N] -> [].

    With fractions tau ~ U(0, alpha) this estimates CVaR_alpha (RAMAC, eq. 3).
    """
    return jnp.mean(least(quantiles))


def least(x: Array) -> Array:
    """min_e x_e of x [E, ...], whose gradient goes to one critic for each entry.

    The gradient of `jnp.min` divides by the number of entries that equal the minimum.
    XLA may compute an entry twice and round it differently, so that none is equal, and
    the gradient is then NaN.
    """
    found = x[0]
    for other in x[1:]:
        found = jnp.where((other < found) | jnp.isnan(other), other, found)
    return found


def linear_ramp(step: Scalar, warmup: Scalar, ramp: Scalar) -> Array:
    """0 during the first `warmup` updates, then up to 1 in `ramp` equal rises."""
    return jnp.clip((step + 1 - warmup) / jnp.maximum(ramp, 1.0), 0.0, 1.0)


def cosine_decay(step: Scalar, length: Scalar) -> Array:
    """1 at step 0, 0 from `length` on, half a cosine between; inf: always 1."""
    progress = jnp.clip(step / length, 0.0, 1.0)
    return 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
