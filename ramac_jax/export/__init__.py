"""Policies that act without this library: StableHLO and ONNX programs in a folder."""

from ramac_jax.export.exported import ExportedPolicy
from ramac_jax.export.folder import ExportOptions, export_policy
from ramac_jax.export.reader import is_exported, load_exported

__all__ = [
    "ExportOptions",
    "ExportedPolicy",
    "export_policy",
    "is_exported",
    "load_exported",
]
