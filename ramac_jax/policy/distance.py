"""What a policy reports of observations that are far from its training data."""

import warnings

import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.guard import SHARE_ABOVE


class OODWarning(UserWarning):
    """A policy acts on an observation that is far from those it was trained on."""


def warn_of_distance(
    threshold: float | None, score: np.ndarray, stacklevel: int = 4
) -> None:
    """Warn of scores above a threshold; `InputError` for one that is not finite.

    The warning names the line that is `stacklevel` calls above.
    """
    if not np.isfinite(score).all():
        raise InputError(
            "an observation is not finite (a NaN or an infinity): repair it, the "
            "policy does not act on it"
        )
    if threshold is not None and (far := score > threshold).any():
        warnings.warn(
            f"{far.sum()} of {score.size} observations are far from the training data: "
            f"a coordinate is {score.max():.3g} deviations from its mean, and "
            f"{1 - SHARE_ABOVE:.1%} of the data are within {threshold:.3g}",
            OODWarning,
            stacklevel=stacklevel,
        )
