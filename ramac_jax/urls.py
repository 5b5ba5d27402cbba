"""URLs in records and messages: never with a password."""

import re

PASSWORDS = (
    (r"(://[^:/@\s]*):\S*@", r"\1:***@"),  # to the last @, which a password may hold
    (r"([?&](?:password|passwd|pwd)=)[^&\s]*", r"\1***"),
)
"""Where a URL may hold one, and what is shown in its place."""


def without_password(text: str) -> str:
    """Return a text without the passwords of the URLs in it."""
    for pattern, shown in PASSWORDS:
        text = re.sub(pattern, shown, text)
    return text
