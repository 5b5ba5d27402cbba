"""A dataset that is not here: the search is announced, and ends soon without a hub."""

import time

import pytest
from minari.storage import hosting

from ramac_jax import InputError
from ramac_jax.cli.runs.data import announce_downloads
from ramac_jax.data.loading import load_datasets

ID = "made/absent-v0"


class Session:
    """A network whose every request fails, and which counts them."""

    def __init__(self):
        self.requests = []

    def head(self, url, timeout):
        self.requests.append(timeout)
        raise ConnectionError("Name or service not known\nand more")


@pytest.fixture(autouse=True)
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.delenv("MINARI_REMOTE", raising=False)
    session = Session()
    monkeypatch.setattr("huggingface_hub.utils.get_session", lambda: session)
    return session


def refuse_download(dataset_id):
    raise ValueError(f"asked for {dataset_id}")


def test_without_a_network_the_search_ends_soon(session, monkeypatch):
    monkeypatch.setattr(hosting, "download_dataset", refuse_download)
    start = time.monotonic()
    with pytest.raises(InputError) as refused:
        load_datasets([ID])
    assert time.monotonic() - start < 5.0
    assert str(refused.value).startswith(
        f"dataset {ID!r} is not here and cannot be downloaded (Name or service not "
        "known); datasets here: none"
    )
    assert len(session.requests) == 1 and session.requests[0] <= 5.0


def test_another_remote_is_asked_as_it_is(session, monkeypatch):
    monkeypatch.setenv("MINARI_REMOTE", "gcp://bucket")
    monkeypatch.setattr(hosting, "download_dataset", refuse_download)
    with pytest.raises(InputError, match=f"asked for {ID}"):
        load_datasets([ID])
    assert session.requests == []


def test_a_hub_that_answers_is_asked_for_the_dataset(session, monkeypatch):
    session.head = lambda url, timeout: None
    monkeypatch.setattr(hosting, "download_dataset", refuse_download)
    with pytest.raises(InputError, match=f"asked for {ID}"):
        load_datasets([ID])


def test_the_search_is_announced(capsys):
    announce_downloads([])
    assert capsys.readouterr().err == ""
    announce_downloads([ID, "made/other-v0"])
    assert capsys.readouterr().err == (
        f"looking on the public hub for {ID}, made/other-v0: not on this machine\n"
    )
