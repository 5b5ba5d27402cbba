"""Names stand for builders, and their schemas are the builders' own."""

import inspect
import subprocess
import sys

import pytest

from ramac_jax import registry, risk

BUILDERS = registry.ACTORS | registry.CRITICS


def defaults(builder):
    """Keyword arguments that JSON can hold, and their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(builder).parameters.items()
        if isinstance(parameter.default, int | float | tuple)
    }


@pytest.mark.parametrize("name", BUILDERS)
def test_the_schema_of_a_builder_is_its_signature(name):
    entry = BUILDERS[name]
    builder = entry.load()
    assert dict(entry.options) == defaults(builder)
    assert entry.takes_dtype == ("dtype" in inspect.signature(builder).parameters)


@pytest.mark.parametrize("name", registry.CRITICS)
def test_an_entry_knows_whether_a_critic_knows_no_more_than_means(name):
    entry = registry.CRITICS[name]
    bounds = (-1.0, 1.0) if name == "categorical" else ()
    assert entry.load()(*bounds).mean_only == entry.mean_only


@pytest.mark.parametrize("name", registry.RISK_MEASURES)
def test_a_risk_measure_knows_its_levels(name):
    measure = registry.RISK_MEASURES[name].load()
    assert measure is getattr(risk, name)
    assert 1.0 in measure.levels
    assert (0.0 in measure.levels) == (name not in {"cvar", "cpw"})


@pytest.mark.parametrize("entries", [registry.HEADS, registry.PENALTIES])
def test_every_other_name_stands_for_a_function(entries):
    functions = [entry.load() for entry in entries.values()]
    assert all(map(callable, functions)) and len(set(functions)) == len(functions)


def test_names_are_listed_without_importing_jax():
    program = (
        "import sys, ramac_jax.registry, ramac_jax.hyperparams, ramac_jax.errors\n"
        "heavy = {'jax', 'flax', 'optax', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
