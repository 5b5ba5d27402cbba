"""What the tests of `ramac data` share."""

import pytest

from ramac_jax.cli import data, process
from tests.episodes import listing


def refusal(capsys, folder, *argv):
    """The one line of a refusal that left the folder as it was."""
    before = listing(folder)
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit, process.exit_status("ramac"):
        data.main(list(map(str, argv)))
    assert exit.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1
    assert listing(folder) == before
    return line
