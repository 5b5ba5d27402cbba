"""What every command shares: its process, errors, output folder and progress bar."""

import contextlib
import functools
import importlib.metadata
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import platformdirs
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

import ramac_jax as rj
from ramac_jax.population import initialize_hosts, is_first_host, use_every_core

CONSOLE = Console(stderr=True)
WORTH_KEEPING = 0.3  # seconds that a program took to compile
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


class Terminated(KeyboardInterrupt):
    """SIGTERM, where nothing else heeds it."""

    number = signal.SIGTERM


def run_command(
    main: Callable[[Sequence[str]], None],
    *,
    keep_programs: bool = True,
    many_hosts: bool = False,
    many_cores: bool = False,
) -> None:
    """Run a command as this process.

    Args:
      main: takes the words of the command line.
      keep_programs: keep compiled programs for the next process, and use those kept.
      many_hosts: join the other hosts where a launcher started several.
      many_cores: share what is trained out among the cores of a CPU.
    """

    def terminate(number: int, frame: Any) -> None:
        raise Terminated("SIGTERM")

    def command() -> None:
        if many_hosts:
            initialize_hosts()
        if many_cores:
            use_every_core()
        signal.signal(signal.SIGTERM, terminate)  # after JAX, which takes it too
        if keep_programs:
            use_cache()
        if not many_hosts or is_first_host():
            main(sys.argv[1:])
        else:  # one host speaks for all
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                CONSOLE.quiet = True
                main(sys.argv[1:])

    exit_on_bad_input(command)()


def use_cache() -> None:
    """Keep compiled programs in the user's cache folder, where JAX knows no other."""
    known = getattr(jax.config, "jax_compilation_cache_dir", None)
    if known is None:
        folder = Path(platformdirs.user_cache_dir("ramac_jax"), "programs")
        with contextlib.suppress(OSError):  # a folder that cannot be: no cache
            folder.mkdir(parents=True, exist_ok=True)
            jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)


def exit_on_bad_input(main: Callable[[], None]) -> Callable[[], None]:
    """Turn an `InputError` of `main` into one line on stderr and exit status 2.

    A signal is one line too, and 128 plus its number.
    """

    @functools.wraps(main)
    def command() -> None:
        try:
            main()
        except rj.InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt as error:
            print(str(error).lstrip(": ") or "interrupted", file=sys.stderr)
            sys.exit(128 + getattr(error, "number", signal.SIGINT))

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


def strict(value: Any) -> Any:
    """A value as strict JSON holds it: inf, nan and paths become strings."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, Path) else value


def write_json(path: Path, record: dict) -> None:
    """Replace a file by strict JSON in one move."""
    write_text(path, json.dumps(strict(record), indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file in one move."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.replace(path)


class LiveProgress(Progress):
    """Bars with updates done and the time left, and a line of the caller's below."""

    status = ""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=CONSOLE,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.status:
            yield Text(self.status)
