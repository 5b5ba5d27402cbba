"""A Sphinx extension: `command-help NAME` shows what `ramac NAME --help` prints."""

import os
import re
import subprocess
import sys

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def help_of(command: str) -> str:
    """Return the help text of a command, without colours.

    Raises `ExtensionError` where the command fails.
    """
    finished = subprocess.run(
        [sys.executable, "-m", "ramac_jax", *command.split(), "--help"],
        env=os.environ | {"COLUMNS": "96", "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if finished.returncode:
        raise ExtensionError(f"ramac {command} --help failed: {finished.stderr}")
    return COLOURS.sub("", finished.stdout).strip()


class CommandHelp(Directive):
    """Show the help text of a command."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the text as a literal block."""
        text = help_of(self.arguments[0] if self.arguments else "")
        return [nodes.literal_block(text, text, language="none")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
