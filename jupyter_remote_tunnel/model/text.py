"""Text that came from a remote, made fit to be shown: one line, capped, without control or bidi
characters.
"""

import unicodedata
from collections.abc import Sequence

# Cc and Cf hold escape sequences, zero-width and bidi controls; Zl and Zp break lines; Cs are lone
# surrogates, which cannot be encoded; Co and Cn show as anything.
_HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})

# An empty Braille cell and the fillers of Hangul: signs that show as nothing.
_BLANK = frozenset("\u2800\u3164\uffa0\u115f\u1160")

_BAR = "  | "
_LONGEST_LINE = 2000


def plain(text: str, limit: int = 200) -> str:
    """`text` with every hidden character replaced by a space, white space folded, cut to `limit`
    characters.

    What is cut ends with "…" (which counts towards `limit`).
    """
    # A remote may send a megabyte: what lies far behind the limit is not even looked at.
    head = text[: limit * 4]
    shown = "".join(" " if _is_hidden(c) else c for c in head)
    folded = " ".join(shown.split())
    if len(folded) > limit or len(text) > len(head):
        folded = folded[: limit - 1] + "…"
    return folded


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN or char in _BLANK


def rows(text: str, columns: int) -> list[str]:
    """`text` (plain) in rows that a terminal of so many columns does not break; at least one."""
    found, width = [""], 0
    for char in text:
        takes = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if width + takes > columns:
            found.append("")
            width = 0
        found[-1] += char
        width += takes
    return found


def framed(lines: Sequence[str], columns: int) -> list[str]:
    """Somebody else's lines, with a bar before each row: one that a terminal broke would stand
    without."""
    width = max(columns - len(_BAR) - 1, 10)
    return [f"{_BAR}{row}" for line in lines for row in rows(plain(line, _LONGEST_LINE), width)]
