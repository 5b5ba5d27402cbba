"""Micro-batches are chosen for the cache of a CPU."""

import jax
import pytest

from ramac_jax.devices.cache import fit_cache


@pytest.mark.parametrize(
    ("num_rows", "num_fractions", "width", "chosen"),
    [
        (256, 32, 256, 32),
        (256, 16, 256, None),
        (256, 64, 128, 32),  # narrower, and more fractions
        (16, 2048, 256, 1),  # one row alone exceeds the cache
        (240, 32, 256, 30),
        (251, 32, 256, None),  # a prime: no loop over single rows
    ],
)
def test_one_device_with_all_cores_takes_a_megabyte_at_a_time(
    monkeypatch, num_rows, num_fractions, width, chosen
):
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    assert fit_cache(width)(num_rows, num_fractions) == chosen


@pytest.mark.parametrize(("num_fractions", "chosen"), [(32, 16), (16, 32), (2, None)])
def test_a_core_of_its_own_takes_half_as_much(monkeypatch, num_fractions, chosen):
    monkeypatch.setattr(jax, "local_device_count", lambda: 2)
    assert fit_cache(256)(256, num_fractions) == chosen


def test_an_accelerator_takes_all_rows_at_once(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert fit_cache(256)(256, 32) is None
