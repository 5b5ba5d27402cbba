"""Packages and clones of other people's code, imported where they are used."""

import importlib
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import ramac_jax as rj


def import_package(module: str, peer: str) -> Any:
    """Import a module; `InputError` where its package is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).partition(".")[0]
        raise rj.InputError(
            f"{peer} needs the package {missing}: pip install {missing}"
        ) from error


def import_from(clone: Path, module: str, peer: str) -> Any:
    """Import a module of a clone; `InputError` where the folder does not hold it.

    The modules are forgotten afterwards: several clones have a package `agents`.
    """
    clone = clone.resolve()  # as the modules name their files
    top = module.partition(".")[0]
    if not (clone / top).is_dir():
        raise rj.InputError(f"{clone} has no folder {top}: give a clone of {peer}")
    before = set(sys.modules)
    sys.path.insert(0, str(clone))
    try:
        return import_package(module, peer)
    finally:
        sys.path.remove(str(clone))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if Path(file).is_relative_to(clone):
                del sys.modules[name]


def commit(clone: Path) -> str | None:
    """Return the commit of a clone; None where the folder is not a repository."""
    words = ["git", "-C", str(clone), "rev-parse", "HEAD"]
    found = subprocess.run(words, capture_output=True, text=True)
    return found.stdout.strip() or None


def installed(packages: Iterable[str]) -> dict[str, str | None]:
    """Return the version of each package; None where it is not installed."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found
