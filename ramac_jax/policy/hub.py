"""Policies on the Hugging Face hub, under names such as hf://OWNER/NAME."""

import re
from pathlib import Path

from ramac_jax.errors import InputError, first_line
from ramac_jax.extras import require

HUB = "hf://"
NAME = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


def local_folder(folder: str | Path) -> Path:
    """Return a folder of this machine; one on the hub is fetched first.

    Args:
      folder: a path, or hf://OWNER/NAME, which may end in @REVISION.

    Raises `InputError` for a name on the hub that is malformed or cannot be fetched.
    """
    if not str(folder).startswith(HUB):
        return Path(folder)
    matched = NAME.fullmatch(str(folder))
    if matched is None:
        raise InputError(f"{folder} is no name on the hub: give hf://OWNER/NAME")
    require("huggingface_hub", "ramac_jax.policy")
    import huggingface_hub

    name, revision = matched.groups()
    try:
        return Path(huggingface_hub.snapshot_download(repo_id=name, revision=revision))
    except Exception as error:  # of the network, of the hub or of the disk
        raise InputError(f"cannot fetch {folder}: {first_line(error)}") from error
