"""What a result depends on besides its options: versions, commit and device."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

import ramac_jax as rj

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "gymnasium",
    "minari",
    "mujoco",
    "orbax-checkpoint",
    "scipy",
    "optuna",
    "cmaes",
)


OTHER_REPOSITORY = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)
"""Variables by which a git hook names its own repository."""


def provenance() -> dict[str, Any]:
    """Return versions, commit and device, as the records of all commands hold them."""
    return {
        "versions": versions(),
        "git_commit": git_commit(),
        "device": jax.devices()[0].device_kind,
    }


def versions() -> dict[str, str]:
    """Return the version of each package that is installed, and of Python."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | {"ramac_jax": rj.__version__, "python": sys.version.split()[0]}


def git_commit() -> str | None:
    """Return the commit of this checkout, with -dirty where it was edited.

    None where the library is not in a git checkout, or in one of another project.
    """
    try:
        run_git("ls-files", "--error-unmatch", Path(__file__).name)
        return run_git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return None


def run_git(*words: str) -> str:
    """Return what git prints in the folder of this file, of no other repository."""
    environment = {k: v for k, v in os.environ.items() if k not in OTHER_REPOSITORY}
    run = subprocess.run(
        ["git", *words],
        cwd=Path(__file__).parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()
