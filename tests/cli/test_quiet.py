"""Warnings of libraries in a command."""

import warnings

from ramac_jax.cli.quiet import quiet_libraries


def test_a_warning_is_one_line_without_its_place(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        quiet_libraries()
        warnings.warn("two datasets\nof two versions", stacklevel=1)
    assert capsys.readouterr().err == "warning: two datasets of two versions\n"
