"""The texts of units of systemd."""

import pytest

from jupyter_remote_tunnel.commands.units import unit_of
from tests.ssh.test_lying_host import HOSTILE


@pytest.mark.parametrize(
    "description",
    [HOSTILE, "x" * 1_000_000, "a\nExecStartPre=evil", "goes on\\", "\u2028[Service]", "%h 100 %"],
)
def test_a_description_is_one_line_and_no_setting(description: str) -> None:
    plainly = unit_of("Offers it", "run").splitlines()
    lines = unit_of(description, "run").splitlines()
    assert [line for line in lines if line not in plainly] == [lines[1]]
    assert len(lines) == len(plainly)
    assert len(lines[1]) < 500
    assert lines[1].startswith("Description=")
    assert lines[1].isprintable()
    assert not lines[1].endswith("\\")
    assert "%" not in lines[1].replace("%%", "")
