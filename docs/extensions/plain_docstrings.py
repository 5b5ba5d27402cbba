"""A Sphinx extension: docstrings are plain text with formulas, not reStructuredText.

A bar in |x| would be a substitution and the star in Z* an emphasis; both are escaped
outside of code and of *emphasised words*. A table of bars becomes a literal block. The
comment behind a field of a named tuple describes the field that has no docstring.
"""

import importlib
import inspect
import re
from typing import Any

from sphinx.application import Sphinx

KEPT = re.compile(r"(`+[^`]*`+|(?<!\w)\*\w[^*]*\w\*(?!\w))")  # code and emphasis


def escape(line: str) -> str:
    """Escape the characters of formulas in a line, but not its code and emphasis."""
    parts = KEPT.split(line)
    return "".join(
        part if index % 2 else re.sub(r"([|*])", r"\\\1", part)
        for index, part in enumerate(parts)
    )


def is_table(line: str) -> bool:
    """Whether a line is the row of a table."""
    return line.lstrip().startswith("|") and line.rstrip().endswith("|")


def translate(lines: list[str]) -> list[str]:
    """Return the lines of a docstring as reStructuredText."""
    translated: list[str] = []
    inside = False
    for line in lines:
        if is_table(line) and not inside:
            translated += ["::", ""]
        inside = is_table(line)
        translated.append(f"    {line}" if inside else escape(line))
    return translated


def comment_of_field(name: str) -> str:
    """Return the comment behind a field, given its full name; empty: there is none."""
    path, _, field = name.rpartition(".")
    module, _, owner = path.rpartition(".")
    source = inspect.getsource(getattr(importlib.import_module(module), owner))
    found = re.search(rf"^    {field}: [^#\n]*# (.*)$", source, re.MULTILINE)
    return found[1] if found else ""


def process(app: Sphinx, what: str, name: str, item: Any, *rest: Any) -> None:
    """Translate a docstring in place, before napoleon reads its sections."""
    lines = rest[-1]
    if lines and lines[0].startswith("Alias for field number"):
        lines[:] = [comment_of_field(name)]
    lines[:] = translate(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the translation, ahead of napoleon's."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
