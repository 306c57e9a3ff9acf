"""Runs schemathesis with docs/openapi.json against a Jupyter Server of its own; its status is ours.

    unshare --net -- python -m tests.server.fuzz [more arguments of schemathesis]

What it sends can be any command of ssh, so it runs in a network namespace with nothing in it but
the loopback, where one sshd plays `gpu01`; options that start programs are off.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.jupyter import jupyter
from tests.support.process import program
from tests.support.sshd import SshBed

DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.json"
# A host that SSH does not reach is a 502 or 504, and no mistake of the server.
SETTINGS = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "4xx", 501, 502, 504]
"""
# What is a forward or a host, a schema cannot say, so texts are refused that it allows. And
# Jupyter answers 403 without a login, where schemathesis insists on 401.
NOT_CHECKED = ("positive_data_acceptance", "missing_required_header")
LIMITS = {"max_tunnels": 20, "connect_timeout": 2.0, "refused_attempts": 1}


def main(arguments: list[str]) -> int:
    """The exit status of schemathesis."""
    subprocess.run([program("ip"), "link", "set", "lo", "up"], check=True)
    with SshBed() as bed, tempfile.TemporaryDirectory(prefix="jrt-fuzz-") as folder:
        bed.host("gpu01")
        settings = Path(folder) / "schemathesis.toml"
        settings.write_text(SETTINGS)
        manager = {"ssh_config": str(bed.config_file), **LIMITS}
        with jupyter(traits={"TunnelManager": manager}) as server:
            command = [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings)),
                *("run", str(DESCRIPTION), "--url", f"{server.url}remote-tunnel/api"),
                *("--header", f"Authorization: token {server.token}"),
                *("--exclude-checks", ",".join(NOT_CHECKED)),
                *("--workers", "1", "--request-timeout", "30", "--no-color", *arguments),
            ]
            status = subprocess.run(command, cwd=folder, check=False).returncode
        if "Traceback" in server.process.output:
            sys.stdout.write(server.process.output)
            return 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
