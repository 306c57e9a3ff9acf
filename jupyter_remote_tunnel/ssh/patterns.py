"""Patterns as ssh has them: only “*” and “?” stand for anything."""

import fnmatch
import re
from collections.abc import Iterable


def fits(text: str, pattern: str) -> bool:
    """Whether a text is what a pattern stands for. A bracket stands for itself."""
    if "*" not in pattern and "?" not in pattern:
        return text == pattern
    return re.fullmatch(fnmatch.translate(pattern.replace("[", "[[]")), text) is not None


def fits_one(text: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits, and none of those that begin with “!”."""
    found = False
    for pattern in patterns:
        if pattern.startswith("!"):
            if fits(text, pattern[1:]):
                return False
        elif fits(text, pattern):
            found = True
    return found
