"""Text of a remote is shown plain."""

import time
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.text import plain, rows
from tests.support.fuzzing import texts


@given(st.text() | texts, st.integers(1, 50))
def test_what_is_shown_is_short_and_visible(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert len(shown) <= limit
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)
    shown.encode()


def test_signs_that_show_as_nothing_are_none() -> None:
    assert plain("a\u2800\u3164\uffa0\u115f\u1160b") == "a b"


@given(texts.map(plain), st.integers(2, 30))
def test_rows_are_the_text_and_none_is_too_wide(text: str, columns: int) -> None:
    found = rows(text, columns)
    assert "".join(found) == text
    wide = [sum(unicodedata.east_asian_width(c) in "WF" for c in row) for row in found]
    assert all(len(row) + more <= columns for row, more in zip(found, wide, strict=True))


def test_escapes_bidi_and_megabytes() -> None:
    assert plain("\x1b[31mred\x07\u202eevil\n\r next") == "[31mred evil next"
    start = time.process_time()
    assert plain("x" * 10_000_000, 10) == "xxxxxxxxx…"
    assert time.process_time() - start < 1
