"""Checkouts of the peers: whether they hold an agent, and their versions."""

import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import ramac_jax as rj
from benchmarks.options import flag
from benchmarks.packages import commit
from benchmarks.peers.theirs import Peer

COMMIT_IN_NAME = re.compile(r"-([0-9a-f]{7,40})$")  # of an archive's folder


def check_checkout(peer: Peer, clone: Path, packages: Path | None) -> None:
    """Raise `InputError` where a checkout has no agent, or a package is missing.

    Args:
      peer: an agent of the checkout.
      clone: the checkout.
      packages: folder of packages that are not installed here.
    """
    if not (clone / peer.file).is_file():
        raise rj.InputError(
            f"{flag(peer.option)} {clone} has no {peer.file}: give a checkout of "
            f"{peer.repository}"
        )
    folders = sys.path if packages is None else [*sys.path, str(packages)]
    for module, package in peer.packages.items():
        if PathFinder.find_spec(module, folders) is None:
            raise rj.InputError(
                f"{peer.repository} needs the package {package}: pip install {package} "
                "(--packages FOLDER if it is installed elsewhere)"
            )


def version(clone: Path) -> str:
    """Return the commit of a checkout, from git or the folder's name, or "unknown"."""
    clone = clone.resolve()
    found = commit(clone) if (clone / ".git").exists() else None
    named = COMMIT_IN_NAME.search(clone.name)
    return found or (named[1] if named else "unknown")
