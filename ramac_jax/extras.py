"""Optional packages: which extra of this library installs each of them."""

import importlib.util

from ramac_jax.errors import InputError

INSTALLED_BY = {
    "gymnasium": "data",
    "h5py": "data",
    "minari": "data",
    "huggingface_hub": "export",
    "mujoco": "mujoco",
    "ogbench": "ogbench",
    "jax2onnx": "export",
    "onnxruntime": "export",
    "matplotlib": "plots",
    "orbax": "checkpoints",
    "filelock": "checkpoints",
    "psutil": "checkpoints",
    "platformdirs": "cli",
    "rich": "cli",
    "tyro": "cli",
    "tensorboardX": "tensorboard",
    "wandb": "wandb",
    "optuna": "search",
    "cmaes": "search",
    "sqlalchemy": "search",
}
"""Module to import -> extra."""


class MissingExtra(InputError, ImportError):
    """A package of an extra is not installed; the message says which extra."""


def advice(user: str, package: str) -> str | None:
    """Return the line that says what to install; None for an unknown package.

    Args:
      user: what needs the package, such as "ramac train".
      package: the module that cannot be imported; a submodule counts as its package.
    """
    package = package.partition(".")[0]
    if package not in INSTALLED_BY:
        return None
    return f"{user} needs {package}: pip install 'ramac_jax[{INSTALLED_BY[package]}]'"


def require(module: str, user: str) -> None:
    """Raise `MissingExtra` where a module of an extra cannot be imported.

    Nothing is imported but the package that holds a submodule.

    Args:
      module: such as "gymnasium" or "orbax.checkpoint".
      user: what needs the module, such as "ramac_jax.data".
    """
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # the package that holds it
        spec = None
    if spec is None or spec.origin is None:  # no origin: a mere folder, as ./wandb
        raise MissingExtra(advice(user, module))
