"""What was typed, for a process that has another working directory and another agent."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..model.command_line import parse_command, words_of_ssh
from ..model.errors import BadInput
from ..model.spec import SshOptions, TunnelRequest

_ONE_MORE = ("-L", "private:localhost:1")


def host_request(words: Sequence[str]) -> TunnelRequest:
    """A host with the options of ssh that lead to it, and nothing to forward.

    :raises BadInput: it is not that.
    """
    request = visit_request(words)
    if request.forwards:
        raise BadInput("Give the host alone, without a port or forwards.")
    return request


def visit_request(words: Sequence[str]) -> TunnelRequest:
    """A host with the options of ssh that lead to it, and the forwards that were typed, if any.

    :raises BadInput: it is not that.
    """
    # ssh's grammar, which wants a forward, is given one more.
    spec = parse_command([*_ONE_MORE, *words_of_ssh(words)])
    forwards = tuple(map(str, spec.forwards[1:]))
    return TunnelRequest(host=spec.host, ssh=from_here(spec.ssh), forwards=forwards)


def from_here(ssh: SshOptions) -> SshOptions:
    """The same options for a process that has another working directory and another agent."""
    return replace(
        ssh,
        identities=tuple(map(absolute, ssh.identities)),
        config_file=None if ssh.config_file is None else absolute(ssh.config_file),
        agent_socket=ssh.agent_socket or os.environ.get("SSH_AUTH_SOCK"),
    )


def absolute(path: str) -> str:
    """An absolute path; one with ssh's own tokens (%d) or "none" is left to ssh."""
    if path.startswith("%") or path == "none":
        return path
    return str(Path(path).expanduser().absolute())
