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
        if not name.startswith("_")
        and (inspect.isfunction(member) or inspect.isclass(member))
        and member.__module__ == module.__name__
    ]


def undocumented(module: ModuleType, documented: Iterable[str]) -> list[str]:
    """List the public names that have no docstring or no entry in the reference."""
    known = set(documented)
    return [
        f"{module.__name__}.{name}"
        for name in public_names(module)
        if f"{module.__name__}.{name}" not in known
        or not inspect.getdoc(getattr(module, name))
    ]


def check(app: Sphinx, env: Any) -> None:
    """Warn of every public name without an entry; -W makes the warning an error."""
    entries = [name for name, _, kind, *_ in env.get_domain("py").get_objects()]
    for module in app.config.public_modules:
        for name in undocumented(importlib.import_module(module), entries):
            LOGGER.warning("%s is public and the reference does not document it", name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the check."""
    app.add_config_value("public_modules", [], "env", [list])
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
