"""Text that came from a remote, made fit to be shown: one line, capped, without control or bidi
characters.
"""

import unicodedata

# Cc and Cf hold escape sequences, zero-width and bidi controls; Zl and Zp break lines; Cs are lone
# surrogates, which cannot be encoded; Co and Cn show as anything.
_HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})


def plain(text: str, limit: int = 200) -> str:
    """`text` with every hidden character replaced by a space, white space folded, cut to `limit`
    characters.

    What is cut ends with "…" (which counts towards `limit`).
    """
    # A remote may send a megabyte: what lies far behind the limit is not even looked at.
    head = text[: limit * 4]
    shown = "".join(" " if unicodedata.category(c) in _HIDDEN else c for c in head)
    folded = " ".join(shown.split())
    if len(folded) > limit or len(text) > len(head):
        folded = folded[: limit - 1] + "…"
    return folded
