"""The number of members that fit a device, by hand and by XLA's analysis."""

import jax
import jax.numpy as jnp
import pytest

import ramac_jax as rj
from ramac_jax.devices import memory


class Compiler:
    """Its programs are their own size and need 100 bytes, and 10 for each member."""

    def __init__(self, fixed=100, each=10):
        self.fixed, self.each, self.sizes = fixed, each, []

    def __call__(self, size):
        self.sizes.append(size)
        return size

    def needs(self, size):
        return self.fixed + self.each * size


@pytest.mark.parametrize(
    ("most", "budget", "each", "compiled"),
    [
        (10, 200, 10, [10]),  # all of them, to the byte
        (10, 199, 5, [10, 1, 5]),  # 9 fit: two chunks of 5, not 9 and 1
        (10, 145, 4, [10, 1, 4]),  # 4 fit: three chunks of 4, 4 and 2
        (9, 149, 3, [9, 1, 3]),  # 4 fit: three chunks of 3
        (100, 150, 5, [100, 1, 5]),
        (10, 110, 1, [10, 1, 1]),
        (2, 119, 1, [2, 1, 1]),
        (1, 110, 1, [1]),
    ],
)
def test_the_fewest_equal_chunks_that_fit(most, budget, each, compiled):
    compiler = Compiler()
    found, program = memory.fit(compiler, compiler.needs, most, budget)
    assert found == program == each
    assert compiler.sizes == compiled


def test_the_chosen_size_fits_where_memory_is_not_linear():
    needed = {10: 200, 1: 110, 4: 150, 3: 140}
    compiler = Compiler()
    # Linear interpolation from 110 to 200 gives 140 for four.
    assert memory.fit(compiler, needed.get, 10, 145) == (3, 3)
    assert compiler.sizes == [10, 1, 4, 3]


@pytest.mark.parametrize("most", [1, 10])
def test_a_member_that_does_not_fit_alone_is_refused(most):
    compiler = Compiler(fixed=2**30, each=2**29)
    message = "one member alone needs 1.5 GiB of a device and 1.25 are free"
    with pytest.raises(rj.InputError, match=message):
        memory.fit(compiler, compiler.needs, most, 5 * 2**28)


def test_the_bytes_needed_grow_with_the_members():
    def double(x):
        return 2.0 * x

    def needs(size, **options):
        shape = jax.ShapeDtypeStruct((size, 1000), jnp.float32)
        return memory.bytes_needed(jax.jit(double, **options).lower(shape).compile())

    assert needs(3) == 2 * 3 * 4000  # arguments and results
    assert needs(3, donate_argnums=0) == 3 * 4000  # donated: the same memory


def test_a_device_has_free_memory():
    free = memory.free_device_bytes()
    assert isinstance(free, int) and 2**20 < free < 2**50
