"""The workers as the command sees them."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import benchmarks
import ramac_jax as rj

ROOT = Path(benchmarks.__file__).parents[1]
PATIENCE = 5.0  # seconds that a worker has to end


class Worker:
    """A process of `benchmarks.peers.worker`, which computes on the CPU.

    It starts at once; `receive` waits for its description, `ask` for each answer.
    """

    def __init__(self, words: Sequence[str]):
        self.name = words[2]
        self.log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.worker", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            cwd=ROOT,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        assert self.process.stdin and self.process.stdout
        if kind is not None:
            self.process.kill()
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def receive(self) -> Any:
        """Return the next line; `InputError` for an error, and where the process ended.

        An error that the process had no time to send is the last line that it printed.
        """
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            printed = self.log.read().strip().splitlines() or ["it printed nothing"]
            raise rj.InputError(f"the process of {self.name} ended: {printed[-1]}")
        found = json.loads(line)
        if "error" in found:
            raise rj.InputError(found["error"])
        return found

    def ask(self, **request: float) -> float:
        """Return agent-updates/s of so many seconds, or milliseconds of an action."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # `receive` says why it ended
            print(json.dumps(request), file=self.process.stdin, flush=True)
        return float(self.receive()["found"])
