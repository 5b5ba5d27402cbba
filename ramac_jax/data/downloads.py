"""Datasets from the public hub, and the end of a search without a network."""

import os

import minari
from minari import MinariDataset

SECONDS = 5.0
"""Longest wait for the hub's first answer; its client would try for 23 seconds."""


def download_dataset(dataset_id: str) -> MinariDataset:
    """Download a dataset to Minari's folder and open it.

    Raises the errors of the network and of Minari; without a network after `SECONDS` at
    most.
    """
    if os.environ.get("MINARI_REMOTE", "hf://").startswith("hf://"):
        from huggingface_hub import constants  # a tenth of a second
        from huggingface_hub.utils import get_session

        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    return minari.load_dataset(dataset_id, download=True)
