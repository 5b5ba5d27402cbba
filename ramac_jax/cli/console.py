"""The terminal: warnings and progress go to stderr, results to stdout."""

from rich.console import Console

CONSOLE = Console(stderr=True)


def warn(text: str) -> None:
    """Print a warning on stderr, in one line."""
    CONSOLE.print(f"warning: {text}", soft_wrap=True, highlight=False, markup=False)


def note(text: str) -> None:
    """Print a remark on stderr, in one line."""
    CONSOLE.print(text, soft_wrap=True, highlight=False, markup=False)
