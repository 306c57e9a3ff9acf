"""The forwards that `ssh -G` prints, as tunnels to open."""

import subprocess
from pathlib import Path

import pytest

from jupyter_remote_tunnel.ssh.offers import offered
from jupyter_remote_tunnel.ssh.openssh import parse_ssh_g
from tests.support.process import program


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("LocalForward 5006 localhost:5006", ["-L 5006:localhost:5006"]),
        ("LocalForward [::1]:5006 [fe80::1]:80", ["-L [::1]:5006:[fe80::1]:80"]),
        ("LocalForward *:5006 db:80", ["-L *:5006:db:80"]),
        ("LocalForward 5006 /run/a.sock", ["-L 5006:/run/a.sock"]),
        ("LocalForward /run/a.sock db:80", ["-L /run/a.sock:db:80"]),
        ('LocalForward "/run/a b" "/run/c d"', ["-L /run/a b:/run/c d"]),
        ("LocalForward /run/a\\:1 /run/b", [r"-L /run/a\:1:/run/b"]),
        ("RemoteForward 8888 localhost:8888", ["-R 8888:localhost:8888"]),
        ("RemoteForward 1080", ["-R 1080"]),
        ("RemoteForward /run/r.sock localhost:80", ["-R /run/r.sock:localhost:80"]),
        ("DynamicForward localhost:1080", ["-D localhost:1080"]),
        ("DynamicForward 1080", ["-D 1080"]),
    ],
)
def test_each_is_what_its_line_says(line: str, offers: list[str], tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(f"{line}\n")
    done = subprocess.run(
        [program("ssh"), "-F", file, "-G", "gpu01"],
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert list(map(str, offered(parse_ssh_g(done.stdout)))) == offers


def test_what_cannot_be_opened_is_left_out() -> None:
    assert offered({"localforward": ["0 [x y]:0"], "dynamicforward": ["1080"]}) == offered(
        {"dynamicforward": ["1080"]}
    )
