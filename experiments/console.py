"""What every command shares: its errors, its output folder, its progress bar."""

import functools
import importlib.metadata
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

import ramac_jax as rj

CONSOLE = Console(stderr=True)
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


def exit_on_bad_input(main: Callable[[], None]) -> Callable[[], None]:
    """Turn an `InputError` of `main` into one line on stderr and exit status 2."""

    @functools.wraps(main)
    def command() -> None:
        try:
            main()
        except rj.InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)

    return command


def warn(text: str) -> None:
    """Print a warning on stderr, in one line."""
    CONSOLE.print(f"warning: {text}", soft_wrap=True, highlight=False, markup=False)


def writable_folder(path: Path) -> Path:
    """Make the folder where needed; `InputError` where nothing can be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise rj.InputError(
            f"cannot write to {path}: {error.strerror}; give another --out"
        ) from None
    return path


def check_writable(path: Path) -> None:
    """Raise `InputError` where `writable_folder` would fail; makes nothing."""
    nearest = next(x for x in (path, *path.absolute().parents) if x.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise rj.InputError(
            f"cannot write to {path}: {nearest} is no folder that can be written to; "
            "give another --out"
        )


def versions() -> dict[str, str]:
    """The versions a result depends on, Python's included."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return found | {"ramac_jax": rj.__version__, "python": sys.version.split()[0]}


def git_commit() -> str | None:
    """The commit of this checkout, "-dirty" where it was edited; None without git."""
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


def write_json(path: Path, record: dict) -> None:
    """Replace a file by strict JSON in one move; inf and nan become strings."""

    def strict(value):
        if isinstance(value, dict):
            return {key: strict(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [strict(item) for item in value]
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return str(value) if isinstance(value, Path) else value

    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(strict(record), indent=2, allow_nan=False) + "\n")
    draft.replace(path)


class UpdatesPerSecond(ProgressColumn):
    """Updates of the whole population per second, lately."""

    def render(self, task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("compiling" if speed is None else f"{speed:,.0f} updates/s")


def progress_bar() -> Progress:
    """A bar with updates done, updates/s and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        UpdatesPerSecond(),
        TimeRemainingColumn(),
        console=CONSOLE,
    )
