"""What the shell of a remote host is asked about its Jupyter, and how the answer is taken apart.

Login shells may print banners, so what counts stands between fences. All of it is data of a host,
for the reader to check.
"""

import re

_LONGEST_FOLDER = 1000  # characters

FENCE = "=jupyter-remote-tunnel="

MARKER = "jupyter-kept-"
"""How the folder of a server's keeper begins; and, with the server's pid behind it, the file in the
runtime directory that names that folder.
"""

# Sets $dir to the runtime directory, where the files of what runs are. `jupyter` is looked for as
# every command is, then with the login shell's PATH (where conda puts it), and else the directory
# is the one that Jupyter has by default.
RUNTIME_DIR = """
dir=$(jupyter --runtime-dir 2>/dev/null </dev/null)
[ -n "$dir" ] ||
  dir=$("${SHELL:-sh}" -lc 'jupyter --runtime-dir' 2>/dev/null </dev/null | tail -n 1)
[ -d "$dir" ] || case $(uname) in
  Darwin) dir=$HOME/Library/Jupyter/runtime ;;
  *) dir=${JUPYTER_RUNTIME_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/jupyter/runtime} ;;
esac
"""

# Whether a process runs. One that has ended has its number until its parent has asked (which Linux
# tells in /proc), and holds no port any more.
LIVES = """
lives() {
  kill -0 "$1" 2>/dev/null || return
  read -r about 2>/dev/null <"/proc/$1/stat" || return 0
  case ${about##*) } in [ZX]*) return 1 ;; esac
}
"""


def between_fences(output: bytes) -> list[str]:
    """The parts behind the first fence; the last one has no fence behind it."""
    return output.decode(errors="replace").split(FENCE)[1:]


def is_folder(text: str) -> bool:
    """Whether this can be the path of a folder there, in one line that is not endless."""
    return text.startswith("/") and text.isprintable() and len(text) <= _LONGEST_FOLDER


def is_keeper(path: str) -> bool:
    """Whether this can be the folder of what keeps a server alive on a remote host for as long as
    tunnels hold it (`apps.jupyter_keeper`).
    """
    return (
        len(path) < 200
        and path.isprintable()
        and re.fullmatch(rf"/(?:[^/\x00-\x1f]+/)*{MARKER}\w{{4,20}}", path) is not None
    )
