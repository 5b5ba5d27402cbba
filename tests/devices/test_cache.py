"""Micro-batches for the cache of a CPU."""

import jax
import pytest

from ramac_jax.devices import fit_cache


@pytest.mark.parametrize(
    ("num_rows", "num_fractions", "width", "expected"),
    [
        (256, 32, 256, 32),
        (256, 16, 256, None),
        (256, 64, 128, 32),  # narrower, and more of them
        (16, 2048, 256, 1),  # one transition alone exceeds the cache
        (10**6, 32, 0, None),  # a critic without fractions
        (240, 32, 256, 30),
        (251, 32, 256, None),  # a prime number: not row by row
    ],
)
def test_only_many_activations_are_divided(num_rows, num_fractions, width, expected):
    assert fit_cache(width)(num_rows, num_fractions) == expected


@pytest.mark.parametrize(("num_fractions", "expected"), [(32, 16), (16, 32), (2, None)])
def test_each_core_as_a_device_has_a_cache_of_its_own(
    monkeypatch, num_fractions, expected
):
    monkeypatch.setattr(jax, "local_device_count", lambda: 2)
    assert fit_cache(256)(256, num_fractions) == expected


def test_an_accelerator_computes_the_whole_batch(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert fit_cache(256)(256, 32) is None
