"""Where a population's metrics go besides its table: TensorBoard, and wandb."""

import contextlib
import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import ramac_jax as rj
from ramac_jax.files import write_json

FOLDERS = ("tensorboard", "wandb")  # what the sinks make in the folder of a run


class Sink(Protocol):
    """Takes metrics on their way; a label for each member, NaN is left out."""

    def write(
        self, step: int, members: Sequence[str], values: Mapping[str, np.ndarray]
    ) -> None: ...  # values: name -> [P]

    def close(self) -> None: ...


class TensorBoardSink:
    """Event files in a folder; after a resume the points beyond it are hidden."""

    def __init__(self, folder: Path, resume_step: int | None = None):
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(
            str(folder),
            purge_step=None if resume_step is None else resume_step + 1,
            flush_secs=10,  # what a killed process may lose
            # Without it the files of one second would have one name.
            filename_suffix="" if resume_step is None else f".resumed-{resume_step}",
        )

    def write(
        self, step: int, members: Sequence[str], values: Mapping[str, np.ndarray]
    ) -> None:
        from tensorboardX.proto.summary_pb2 import Summary

        # One event for all: add_scalar takes 0.2 ms a number, this 0.01.
        numbers = tagged(members, values).items()
        summary = Summary(
            value=[Summary.Value(tag=tag, simple_value=x) for tag, x in numbers]
        )
        self._writer.file_writer.add_summary(summary, step)

    def close(self) -> None:
        self._writer.close()


class WandbSink:
    """One wandb run for the population, in folder/wandb; a resume continues its id.

    A step that an earlier process has logged is left out. wandb gathers the writes of
    one step in a row, and finishes it with the next step: so a step counts as logged
    once the next one came. Offline wandb saves every 15 s, and a killed process loses
    those; each process has its own folder there, which `wandb sync` takes in order.
    """

    def __init__(
        self,
        folder: Path,
        project: str,
        name: str,
        config: Mapping[str, Any],
        resume_step: int | None = None,
    ):
        import wandb

        self._record = folder / "wandb" / "population.json"
        earlier: dict[str, Any] = {}
        if resume_step is not None and self._record.exists():
            earlier = json.loads(self._record.read_text())
        self._skipped = self._step = earlier.get("logged", -1)
        self._record.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._run = wandb.init(
                dir=folder,
                project=project,
                name=name,
                config=dict(config),
                id=earlier.get("id"),
                resume="allow" if earlier else None,
                settings=wandb.Settings(console="off", quiet=True),
            )
        except wandb.Error as error:
            reason = " ".join(str(error).split())
            raise rj.InputError(
                f"wandb: {reason} (WANDB_MODE=offline needs no account, no network)"
            ) from None
        self._remember()

    def write(
        self, step: int, members: Sequence[str], values: Mapping[str, np.ndarray]
    ) -> None:
        if step <= self._skipped:
            return
        self._run.log(tagged(members, values), step=step)
        if step > self._step:
            self._remember()
            self._step = step

    def close(self) -> None:
        self._run.finish()
        self._remember()

    def _remember(self) -> None:
        write_json(self._record, {"id": self._run.id, "logged": self._step})


def tagged(
    members: Sequence[str], values: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """The numbers of a step by tag, such as bc_loss/setting-3-seed-0."""
    return {
        f"{name}/{member}": float(value)
        for name, column in values.items()
        for member, value in zip(members, column, strict=True)
        if not np.isnan(value)
    }


def check_sinks(tensorboard: bool, wandb: str | None) -> None:
    """Raise `InputError` where a sink that was asked for is not installed."""
    for asked, option, package in (
        (tensorboard, "tensorboard", "tensorboardX"),
        (wandb is not None, "wandb", "wandb"),
    ):
        if not asked:
            continue
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:  # no origin: a mere folder, as ./wandb
            raise rj.InputError(
                f"--{option} needs {package}: pip install -e '.[{option}]'"
            )


@contextlib.contextmanager
def open_sinks(
    folder: Path,
    tensorboard: bool,
    wandb: str | None,
    name: str,
    config: Mapping[str, Any],
    resume_step: int | None = None,
) -> Iterator[tuple[Sink, ...]]:
    """The sinks that were asked for (wandb by its project), closed at the end."""
    check_sinks(tensorboard, wandb)
    with contextlib.ExitStack() as stack:
        sinks: list[Sink] = []
        if tensorboard:
            sinks.append(TensorBoardSink(folder / "tensorboard", resume_step))
            stack.callback(sinks[-1].close)
        if wandb is not None:
            sinks.append(WandbSink(folder, wandb, name, config, resume_step))
            stack.callback(sinks[-1].close)
        yield tuple(sinks)
