"""Leading axes of length 1, written out where operands have different ranks.

JAX can refuse to add such axes by itself (`jax_numpy_rank_promotion="raise"`), as a
guard of a program against its own mistakes; the library runs in such programs too.
"""

from typing import Any


def lift(x: Any, ndim: int) -> Any:
    """Return an array of NumPy or JAX with axes of length 1 in front, `ndim` in all.

    Arithmetic then gives what it gives without: the compiled program is the same.
    """
    return x[(None,) * (ndim - x.ndim)]
