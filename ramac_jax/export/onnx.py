"""A program as ONNX, which ONNX Runtime runs without JAX."""

import contextlib
import functools
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax import export

from ramac_jax.errors import InputError, first_line
from ramac_jax.export.operations import evaluate
from ramac_jax.export.program import BATCH, Program
from ramac_jax.extras import require

FILE = "policy.onnx"
INPUTS = ("observation", "noise", "temperature", "risk_level")
OPSET = 23
OPSETS = range(21, 24)
"""Versions of ONNX's operators that jax2onnx and ONNX Runtime are tested with."""


def check_opset(opset: int) -> None:
    """Raise `InputError` for a version that cannot be had, or a missing package."""
    if opset not in OPSETS:
        raise InputError(f"opset is {opset}: give {OPSETS[0]} to {OPSETS[-1]}")
    for module in ("jax2onnx", "onnxruntime"):
        require(module, "ramac_jax.export")


def serialize(program: Program, opset: int) -> bytes:
    """Return a program for any number of observations.

    jax2onnx replaces functions of JAX and Flax while it traces. Some of them then
    cannot be vmapped, and others no longer look as `operations` knows them; so it is
    given a program that is traced and shortened already.

    Raises `InputError` for a version of the operators that cannot be had, and for a
    program with an operation that jax2onnx does not know.
    """
    check_opset(opset)
    (batch,) = export.symbolic_shape(BATCH)
    shapes = program.shapes(batch)
    traced = jax.make_jaxpr(program.function)(*shapes)
    traced = jax.make_jaxpr(functools.partial(evaluate, traced))(*shapes)
    try:
        with quiet():
            from jax2onnx import to_onnx  # takes seconds

            model = to_onnx(
                functools.partial(evaluate, traced),
                shapes,
                model_name="policy",
                opset=opset,
                input_names=list(INPUTS),
                output_names=[port.name for port in program.outputs],
            )
    except Exception as error:  # what it does not know takes many forms
        raise InputError(f"cannot export to ONNX: {first_line(error)}") from error
    del model.graph.value_info[:]  # shapes on the way, of which ONNX Runtime complains
    return bytes(model.SerializeToString())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Leave out what the packages that write ONNX log and warn of."""
    loggers = [logging.getLogger(name) for name in ("jax2onnx", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class Runner:
    """The function of a serialized program, of NumPy arrays."""

    def __init__(self, content: bytes) -> None:
        require("onnxruntime", "ramac_jax.export")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # more are slower for few rows
        options.enable_mem_reuse = False  # reused buffers are up to a seventh slower
        options.log_severity_level = 3  # errors; it warns of every unused constant
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(
            content, options, providers=providers
        )
        self.outputs = [output.name for output in self.session.get_outputs()]

    def __call__(self, *inputs: Any) -> list[np.ndarray]:
        """Return action and score for inputs in the order of the program's."""
        feed = {
            name: np.asarray(x, np.float32)
            for name, x in zip(INPUTS, inputs, strict=True)
        }
        return list(self.session.run(self.outputs, feed))
