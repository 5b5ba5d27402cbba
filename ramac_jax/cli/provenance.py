"""What a result depends on besides its options: versions, commit and device."""

import importlib.metadata
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
)


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

    None where the library is not in a git checkout.
    """
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        run = subprocess.run(
            command,
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()
