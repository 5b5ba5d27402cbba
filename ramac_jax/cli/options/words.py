"""The words of a command line as options, with one line for those that are malformed.

tyro explains a malformed command line in a box of several lines. Every other bad input
of the program has one line, so the box is shortened to one.
"""

import contextlib
import io
import re
import sys
from collections.abc import Sequence
from typing import Any

import tyro

from ramac_jax.errors import InputError

MALFORMED = 2
"""Exit status of tyro for words that it cannot read."""
MARGIN = 2
"""Columns of a box before its text; the text of a part is indented by none, an option
by 4 and its help by more."""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LEFT_OUT = ("For full helptext", "Argument helptext", "Got errors")
"""First words of the parts of a box that the line leaves out."""


def read_words(kind: Any, argv: Sequence[str], *, prog: str, **settings: Any) -> Any:
    """Read the words of a command line.

    Args:
      kind: dataclass of the options, or a union of subcommands.
      argv: words after the name of the command.
      prog: name of the command.
      settings: further arguments of `tyro.cli`.

    Raises `InputError` for malformed words; exits after `--help`.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            options = tyro.cli(kind, args=list(argv), prog=prog, **settings)
    except SystemExit as ended:
        if ended.code == MALFORMED:
            raise InputError(to_line(printed.getvalue(), prog)) from None
        raise
    sys.stderr.write(printed.getvalue())  # warnings
    return options


def to_line(box: str, prog: str) -> str:
    """Shorten a box of tyro, drawn in Unicode or in ASCII, to one line."""
    parts: list[list[str]] = [[]]
    for line in COLOURS.sub("", box).splitlines()[1:]:  # the first one is the title
        text = line[MARGIN:].rstrip("│ ")
        if not text or not text.strip("─-╯"):  # a rule, or an empty line
            parts.append([])
        else:
            parts[-1].append(text)
    kept = [part for part in parts if part and not part[0].startswith(LEFT_OUT)]
    problem = "; ".join(map(join_part, kept)) or " ".join(box.split())
    return f"{problem.rstrip('.')} (see {prog} --help)"


def join_part(part: Sequence[str]) -> str:
    """Join the lines of one part of a box; help texts of options are left out."""
    text = " ".join(line for line in part if not line.startswith(" "))
    options = [x.strip() for x in part if len(x) - len(x.lstrip()) == 4]
    return f"{text} {', '.join(options)}".strip()
