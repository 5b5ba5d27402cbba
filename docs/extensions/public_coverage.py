"""A Sphinx extension: a public name that the reference leaves out is a warning.

`public_modules` in conf.py lists the modules. The public names of a module are those of
`__all__`, or else every function and class that the module defines.
"""

import importlib
import inspect
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)


def public_names(module: ModuleType) -> list[str]:
    """List the public names of a module, its submodules and its version left out."""
    if hasattr(module, "__all__"):
        named = [name for name in module.__all__ if not name.startswith("__")]
        return [n for n in named if not inspect.ismodule(getattr(module, n))]
    return [
        name
        for name, member in vars(module).items()
        if not name.startswith("_") and is_defined_in(module, member)
    ]


def is_defined_in(module: ModuleType, member: Any) -> bool:
    """Whether a member is a function, a class or a callable that a module defines."""
    owner = member if hasattr(member, "__module__") else type(member)
    return callable(member) and owner.__module__ == module.__name__


def undocumented(module: ModuleType, documented: Iterable[str]) -> list[str]:
    """List the public names that have no docstring or no entry in the reference.

    An alias of a type has its entry in the module that defines the alias.
    """
    known, missing = set(documented), []
    for name in public_names(module):
        member, full = getattr(module, name), f"{module.__name__}.{name}"
        if inspect.isroutine(member) or inspect.isclass(member):
            found = full in known and bool(inspect.getdoc(member))
        else:
            inside = [x for x in known if x.startswith(f"{module.__name__}.")]
            found = name in [x.rpartition(".")[2] for x in inside]
        if not found:
            missing.append(full)
    return missing


def check(app: Sphinx, env: Any) -> None:
    """Warn of every public name without an entry; -W makes the warning an error."""
    entries = [name for name, _, kind, *_ in env.get_domain("py").get_objects()]
    for module in app.config.public_modules:
        for name in undocumented(importlib.import_module(module), entries):
            LOGGER.warning("%s is public and the reference does not document it", name)


def import_names(app: Sphinx) -> None:
    """Import the names that modules import on first use, so that autodoc lists them."""
    for name in app.config.public_modules:
        module = importlib.import_module(name)
        for public in public_names(module):
            getattr(module, public)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the check."""
    app.add_config_value("public_modules", [], "env", [list])
    app.connect("builder-inited", import_names)
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
