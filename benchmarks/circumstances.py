"""What a measurement has to be read beside."""

import datetime
import os
import sys
from typing import Any

import jax

from ramac_jax.cli import provenance


def circumstances(module: str) -> dict[str, Any]:
    """The machine, versions, commit, date and command of a module's measurement."""
    return {
        "cpu_count": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.device_count(),
        "platform": jax.default_backend(),
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "date": datetime.date.today().isoformat(),
        "command": ["python", "-m", f"benchmarks.{module}", *sys.argv[1:]],
    }
