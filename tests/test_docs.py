"""The pages that are generated are current, and the others name what there is."""

import re
import runpy
import shlex
import urllib.request
from pathlib import Path

import pytest

from jupyter_remote_tunnel.commands.grammar import COMMANDS
from tests.support.http import by_token
from tests.support.jupyter import jupyter
from tests.support.ports import unused_port
from tests.support.process import child, environment
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("subject", ["states", "settings"])
def test_the_page_is_current(subject: str) -> None:
    script = f"scripts/generate_{subject}.py"
    page = runpy.run_path(str(ROOT / script))[f"{subject}_page"]()
    assert (ROOT / "docs" / f"{subject}.md").read_text() == page, f"python {script}"


def test_every_word_of_the_shell_is_explained() -> None:
    page = (ROOT / "docs" / "index.md").read_text()
    assert [c.words for c in COMMANDS if f"\n| `{c.words}" not in page] == []


FIGURE = re.compile(r"([\d.]+) (MB/s|/s|/min|ms|µs|s/GB|MiB)")


def figures(row: str) -> list[tuple[str, str]]:
    """The numbers in the cells of a row, as they are written, each with its unit."""
    cells = (FIGURE.match(cell.strip()) for cell in row.split("|"))
    return [(found[1], found[2]) for found in cells if found is not None]


def test_the_figures_of_the_readme_are_those_of_the_table() -> None:
    """Ours and ssh's of one row of it, rounded."""
    readme, page = ((ROOT / name).read_text() for name in ("README.md", "docs/performance.md"))
    measured = [row for line in page.splitlines() if len(row := figures(line)) == 2]
    shown = [row for line in readme.splitlines() if (row := figures(line))]
    assert len(shown) == 4
    for row in shown:
        assert any(all(map(is_rounded, row, found)) for found in measured), row


def is_rounded(shown: tuple[str, str], measured: tuple[str, str]) -> bool:
    digits = len(shown[0].partition(".")[2])
    return shown == (f"{float(measured[0]):.{digits}f}", measured[1])


def test_every_file_that_stays_is_named(ssh_bed: SshBed, sshd: Sshd) -> None:
    page = (ROOT / "docs" / "index.md").read_text()
    with jupyter(traits={"TunnelManager": {"ssh_config": str(ssh_bed.config_file)}}) as server:
        with by_token(server) as client:
            opened = client.post(
                "remote-tunnel/api/apps", json={"host": "gpu01", "destination": "9"}
            ).json()
            assert client.get(opened["url"], params={"view": "origin"}).status_code == 303
        server.process.end()
        assert list(server.runtime_dir.glob("*remote-tunnel*")) == []
        ours = {path.name for path in (server.data_dir / "remote-tunnel").iterdir()}
    assert ours == {"label.key", "tunnels.json", "tunnels.lock"}
    for name in ours - {"tunnels.lock"}:
        assert f"`remote-tunnel/{name}`" in page


def test_the_first_tunnel_of_the_readme_shows_something(
    user: User, ssh_bed: SshBed, sshd: Sshd, tmp_path: Path
) -> None:
    """Its application, on another port than everybody's."""
    found = re.search(r"^(.*\b5006\b.*?) &", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert found is not None
    (tmp_path / "here.txt").touch()
    with unused_port() as port:
        command = shlex.split(found[1].replace("5006", str(port)))
        with child(command, env=environment({"PYTHONUNBUFFERED": "1"}), cwd=tmp_path) as process:
            process.wait_for_line(str(port))
            line = ["-F", str(ssh_bed.config_file), "-NL", f"0:localhost:{port}", "gpu01"]
            user.tunnel("open", "--name", "first", *line)
            with urllib.request.urlopen(user.tunnel("url", "first").stdout, timeout=30) as answer:
                assert b"here.txt" in answer.read()
