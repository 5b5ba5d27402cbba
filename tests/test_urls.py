"""Passwords of URLs are never shown."""

import pytest

from ramac_jax.urls import without_password


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://me:secret@db/optuna", "postgresql://me:***@db/optuna"),
        ("--storage=mysql://me:s@cr:et@db/x", "--storage=mysql://me:***@db/x"),
        (
            "postgresql://db/x?password=secret&user=me",
            "postgresql://db/x?password=***&user=me",
        ),
        ("postgresql://me@db/optuna", "postgresql://me@db/optuna"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
        ("risk_weight=1..2", "risk_weight=1..2"),
    ],
)
def test_a_password_is_masked_and_nothing_else(given, shown):
    assert without_password(given) == shown
