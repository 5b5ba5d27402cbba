"""Which extra installs a package, and that the table holds every package."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

import ramac_jax
from ramac_jax import InputError
from ramac_jax.extras import INSTALLED_BY, MissingExtra, advice, require

PYPROJECT = Path(ramac_jax.__file__).parents[1] / "pyproject.toml"
DISTRIBUTIONS = {
    "orbax": "orbax-checkpoint",
    "mujoco": "gymnasium",  # by its extra mujoco
}


def test_every_package_is_one_of_the_extra_that_the_table_names():
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    for package, extra in INSTALLED_BY.items():
        names = {re.split(r"[\[>=<]", line)[0] for line in extras[extra]}
        assert DISTRIBUTIONS.get(package, package) in names, package


def test_advice_names_user_package_and_extra():
    line = "ramac train needs gymnasium: pip install 'ramac_jax[data]'"
    assert advice("ramac train", "gymnasium.envs.mujoco") == line
    assert advice("ramac train", "numpy") is None


@pytest.mark.parametrize(
    "found",
    [None, importlib.util.spec_from_loader("wandb", None)],
    ids=["nothing", "a folder"],
)
def test_a_missing_package_is_bad_input_of_one_line(found, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    with pytest.raises(MissingExtra, match=r"--wandb needs wandb: .*\[wandb\]") as said:
        require("wandb", "--wandb")
    assert isinstance(said.value, InputError)
    assert "\n" not in str(said.value)


def test_the_package_of_a_submodule_may_be_missing():
    with pytest.raises(MissingExtra):
        require("orbax_that_is_not_there.checkpoint", "a run")


def test_a_package_that_is_installed_is_not_imported_and_no_error():
    require("numpy", "anything")
