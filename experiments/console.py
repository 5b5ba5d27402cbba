"""What every command shares: its errors, its output folder, its progress bar."""

import functools
import importlib.metadata
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
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
HASTY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "gymnasium",
    "minari",
    "orbax-checkpoint",
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


def init_population(
    agent: rj.Agent, example: rj.Transition, keys: jax.Array
) -> tuple[rj.State, jax.Array]:
    """Fresh states of a population, one per key, and the keys to train them with."""
    init_keys, train_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
    init = jax.vmap(agent.init, in_axes=(0, None))
    # It runs once: optimising it takes three times as long as all the rest of it.
    states = jax.jit(init, compiler_options=HASTY)(init_keys, example)
    return states, train_keys


def train_population(
    agent: rj.Agent,
    states: rj.State,
    dataset: rj.Transition,
    keys: jax.Array,
    hyperparams: rj.Hyperparams,
    *,
    num_steps: int,
    batch_size: int,
    title: str,
    updates_per_call: int = 500,
) -> Iterator[tuple[rj.State, dict[str, np.ndarray]]]:
    """Train with a live bar; yield (states, metrics [population]) after each call.

    The states are donated to the next call: keep a copy of what must outlive it. One
    program is compiled, and a second where `num_steps` is no multiple of the call.
    """

    @functools.partial(jax.jit, static_argnames="num_steps", donate_argnums=0)
    def advance(states, dataset, keys, hyperparams, num_steps):
        def run(state, dataset, key, h):
            return rj.train(
                agent,
                state,
                dataset,
                key,
                h,
                num_steps=num_steps,
                batch_size=batch_size,
            )

        return jax.vmap(run, in_axes=(0, None, 0, 0))(
            states, dataset, keys, hyperparams
        )

    with progress_bar() as bar:
        task = bar.add_task(title, total=num_steps)
        for done in range(0, num_steps, updates_per_call):
            length = min(updates_per_call, num_steps - done)
            states, metrics = advance(states, dataset, keys, hyperparams, length)
            metrics = jax.device_get(metrics)
            bar.advance(task, length)
            yield states, metrics
