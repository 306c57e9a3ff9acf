"""The password of a remote Jupyter, set from here by that Jupyter's own tool.

`jupyter server password` (of Notebook up to 6: `jupyter notebook password`) hashes it there as that
version likes it, and writes it where that version looks for it. Without a terminal it reads its
standard input, and there the password comes: it stands in no argv and in no file.
"""

from typing import TYPE_CHECKING

from ..model.errors import BadInput, Fatal
from ..model.remote_shell import FENCE, between_fences
from ..model.spec import TunnelRequest
from ..model.text import plain

if TYPE_CHECKING:
    from ..engine.client import EngineClient
    from ..engine.messages import Who

# Prints for each tool that there is its name, how it ended, and what it said. (Notebook up to 6 has
# a configuration of its own, and may have Jupyter Server beside it. What a shell prints by itself
# is in no list of processes.)
_SET = f"""
IFS= read -r password
command -v jupyter >/dev/null 2>&1 ||
  PATH=$("${{SHELL:-sh}}" -lc 'printf %s "$PATH"' 2>/dev/null </dev/null | tail -n 1)
tools=
jupyter server password --help >/dev/null 2>&1 </dev/null && tools=server
case $(jupyter notebook --version 2>/dev/null </dev/null) in
  [4-6].*) tools="$tools notebook" ;;
esac
for tool in $tools; do
  said=$(printf '%s\\n%s\\n' "$password" "$password" |
    PYTHONUTF8=1 jupyter "$tool" password 2>&1)
  printf '{FENCE}%s{FENCE}%s{FENCE}%s' "$tool" "$?" "$said"
done
"""
_SECONDS = 120.0


async def set_password(
    client: "EngineClient", host: TunnelRequest, password: str, *, person: "Who | None" = None
) -> list[str]:
    """Set the password of the Jupyter servers that the user starts on a host from now on.

    :param host: the host and how to log in to it, no forwards.
    :returns: the tools that did it: ["jupyter server password"].
    :raises BadInput: it is no password.
    :raises RemoteTunnelError: the host is out of reach, has no Jupyter, or its tool failed.
    """
    if not password or not password.isprintable():
        raise BadInput("A password has characters, and no control characters among them.")
    answer = await client.exec(
        host, ["sh", "-c", _SET], f"{password}\n".encode(), timeout=_SECONDS, person=person
    )
    parts = between_fences(answer.stdout)
    done = []
    for tool, status, said in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
        if tool not in ("server", "notebook"):
            break
        done.append(f"jupyter {tool} password")
        if status != "0":
            told = plain(said.replace(password, "…")[-300:], 300) or "it said nothing"
            raise Fatal(
                f"`{done[-1]}` failed on {host.host}: {told}",
                code="unsupported",
                hint="Run it there by hand to see more.",
            )
    if not done:
        raise Fatal(
            f"{host.host} has no Jupyter whose password could be set.",
            code="not_found",
            hint="`jupyter server password` must work in a login shell there.",
        )
    return done
