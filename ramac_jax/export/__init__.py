"""Policies that act without this library: StableHLO and ONNX programs in a folder."""

from ramac_jax.export.exported import ExportedPolicy, is_exported, load_exported
from ramac_jax.export.folder import ExportOptions, export_policy

__all__ = [
    "ExportOptions",
    "ExportedPolicy",
    "export_policy",
    "is_exported",
    "load_exported",
]
