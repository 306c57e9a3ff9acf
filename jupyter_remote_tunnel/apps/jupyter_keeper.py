"""The keeper: starts a Jupyter server on a remote host, and ends it when no tunnel holds it.

This file is no part of the program here: `jupyter_start` sends it to the host, where it is run by
the Python that is there (3.6 or newer, standard library only), with the wish as JSON in its
environment. It prints one line of JSON between two fences, when the server answers or why it does
not: {"pid"}, {"running": true}, or {"problem", "detail", "log"}.

The process that stays is the server's parent, in a session of its own. Its folder (0700) holds the
server's socket `jupyter`, its `token`, its `log`, and the FIFO `line`, on which tunnels say "hold
NAME" and "end NAME". The server ends

- at the "end" of one tunnel, if no other has held it within the grace;
- when none has held it for as long as the grace;
- by itself, or by a signal to it or to the keeper.

In Jupyter's runtime directory a file (the wish's "marker" and the server's pid) names the folder:
who finds the server finds its keeper, and holds it too. The keeper of one that is to stay listens
to no tunnel, and its file is empty.
"""

import contextlib
import fcntl
import http.client
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

LOCK = "jupyter-start.lock"
FIRST_GRACE = 120.0  # seconds until the tunnel that it was started for is there
TIME_TO_END = 10.0  # seconds that a server has to shut its kernels down
PROBE = 20.0  # seconds in which one that listens answers
LONGEST_HOME = 90  # a socket's path has at most 104 bytes
LONGEST_LOG = 1 << 20
TAIL = 4000
RUNTIME_FILE = re.compile(r"(?:jp|nb)server-(\d+)\.json\Z")


class Problem(Exception):
    """Why there is no server: a word for it, a detail, and the end of the server's log."""

    def __init__(self, word: str, detail: str = "", log: str = "") -> None:
        super().__init__(word)
        self.told = {"problem": word, "detail": detail, "log": log}


def main() -> None:
    """Start one, and report."""
    os.umask(0o077)
    wish = json.loads(os.environ.pop("JRT_WISH"))
    runtime = os.environ.pop("JRT_RUNTIME")
    try:
        told = start(wish, runtime)
    except Problem as problem:
        told = problem.told
    except OSError as error:
        told = Problem("failed", str(error)).told
    print(wish["fence"] + json.dumps(told) + wish["fence"], flush=True)


def start(wish: Dict[str, Any], runtime: str) -> Dict[str, Any]:
    """What is to be reported."""
    folder = os.path.abspath(os.path.expanduser(wish["folder"]))  # Jupyter starts in it
    if not os.path.isdir(folder):
        raise Problem("no_folder", folder)
    program = find_program()
    os.makedirs(runtime, mode=0o700, exist_ok=True)
    with only_one(runtime, wish["patience"]):
        if was_started(runtime, wish["marker"]):
            return {"running": True}
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            stay(wish, runtime, folder, program, writer)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as report:
            told = json.loads(report.read() or json.dumps(Problem("failed").told))
    return dict(told)


def find_program() -> str:
    """The most that is there of JupyterLab, Notebook and Jupyter Server."""
    for name in ("jupyter-lab", "jupyter-notebook", "jupyter-server"):
        found = shutil.which(name)
        if found:
            return found
    raise Problem("no_jupyter", os.environ.get("PATH", ""))


@contextlib.contextmanager
def only_one(runtime: str, patience: float) -> Iterator[None]:
    """Who comes while another starts waits until that has its server."""
    end = time.monotonic() + patience
    # Not inherited by a child, unlike `flock`'s, and gone with this process.
    with open(os.path.join(runtime, LOCK), "a", encoding="utf-8") as file:
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Problem("busy")  # noqa: B904
                time.sleep(0.1)
            except OSError:
                break  # a file system without locks
        yield


def was_started(runtime: str, marker: str) -> bool:
    """Whether a server runs that was started by a keeper."""
    return any(
        os.path.exists(os.path.join(runtime, marker + str(pid)))
        for pid, _ in servers(runtime)
        if session_of(pid) is not None
    )


def servers(runtime: str) -> Iterator[Tuple[int, str]]:
    """The pid and the file of each server that has one."""
    for name in os.listdir(runtime):
        found = RUNTIME_FILE.match(name)
        if found:
            yield int(found.group(1)), os.path.join(runtime, name)


def session_of(pid: int) -> Optional[int]:
    """The session of a process, None if there is none."""
    try:
        return os.getsid(pid)
    except OSError:
        return None


def stay(wish: Dict[str, Any], runtime: str, folder: str, program: str, writer: int) -> None:
    """The process that stays. It never returns."""
    status = 1
    try:
        os.setsid()
        # Whoever asked has a channel until the last process lets go of its streams.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        keeper = Keeper(wish, runtime, make_home(wish["marker"], runtime))
        try:
            try:
                told = keeper.start(program, folder)
            except Problem as problem:
                told = problem.told
            except OSError as error:
                told = Problem("failed", str(error)).told
            with os.fdopen(writer, "w", encoding="utf-8") as report:
                json.dump(told, report)
            if "pid" in told:
                keeper.watch()
        finally:
            keeper.close()
        status = 0
    finally:
        os._exit(status)


def make_home(prefix: str, runtime: str) -> str:
    """A folder of our own, with a path that leaves room for a socket.

    In Jupyter's runtime directory, if it can be: in a folder for temporary files everybody can make
    one of that name when we have gone, and listen where tunnels still lead.
    """
    for base in (runtime, tempfile.gettempdir()):
        home = tempfile.mkdtemp(prefix=prefix, dir=base)
        if (base != runtime or is_ours_alone(base)) and takes_sockets(home):
            return home
        os.rmdir(home)
    return tempfile.mkdtemp(prefix=prefix, dir="/tmp")


def is_ours_alone(folder: str) -> bool:
    """Whether nobody else can make anything there."""
    status = os.stat(folder)
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def takes_sockets(home: str) -> bool:
    """Whether the path is short enough, and the file system one for what is put there."""
    if len(os.fsencode(home)) > LONGEST_HOME:
        return False
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(os.path.join(home, "jupyter"))
        os.mkfifo(os.path.join(home, "line"))
    except OSError:
        return False
    finally:
        for name in ("jupyter", "line"):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(home, name))
    return True


def lets_anybody_in(told: Dict[str, Any]) -> bool:
    """Whether a server (its file's content) asks for nothing: its configuration may say so."""
    if told.get("secure"):
        unverified = ssl._create_unverified_context()  # noqa: S323, SLF001 (it is on this host)
        web = http.client.HTTPSConnection(
            "127.0.0.1", told["port"], timeout=PROBE, context=unverified
        )  # type: http.client.HTTPConnection
    else:
        web = http.client.HTTPConnection("127.0.0.1", told["port"], timeout=PROBE)
    with contextlib.closing(web):
        web.request("GET", told["base_url"] + "api/contents?content=0")
        return web.getresponse().status == 200


class Keeper:
    """One server, and what belongs to it."""

    def __init__(self, wish: Dict[str, Any], runtime: str, home: str) -> None:
        self.wish = wish
        self.runtime = runtime
        self.home = home
        self.markers = []  # type: List[str]
        self.server = None  # type: Optional[subprocess.Popen[bytes]]
        self.token = secrets.token_hex(24)
        self.tidied = 0
        # With a lock of this kind the folder is spared by what cleans /tmp (tmpfiles.d).
        fcntl.flock(os.open(home, os.O_RDONLY), fcntl.LOCK_SH)
        os.mkfifo(self.path("line"), 0o600)
        # Both ends, so that it never ends.
        self.line = os.open(self.path("line"), os.O_RDWR | os.O_NONBLOCK)
        self.wakes, wake = os.pipe()
        for end in (self.wakes, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        self.is_told_to_end = False
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.be_told)

    def path(self, name: str) -> str:
        return os.path.join(self.home, name)

    def be_told(self, *_: object) -> None:
        self.is_told_to_end = True

    def start(self, program: str, folder: str) -> Dict[str, Any]:
        """Start the server; return when it answers.

        :raises Problem: it does not.
        """
        with open(self.path("token"), "w", encoding="utf-8") as file:
            file.write(self.token)
        environment = dict(os.environ, JUPYTER_RUNTIME_DIR=self.runtime)
        environment["JUPYTER_TOKEN_FILE"] = self.path("token")
        environment.pop("JUPYTER_TOKEN", None)
        with open(self.path("log"), "ab") as log:
            self.server = subprocess.Popen(
                [program, *self.options(program, folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        self.mark(self.server.pid)
        pid = self.until_it_answers(self.server)
        self.mark(pid)
        self.tidy_log()
        return {"pid": pid}

    def options(self, program: str, folder: str) -> List[str]:
        """The same for each of the classes that this version may have."""
        sock = "" if self.wish["tcp"] else self.path("jupyter")
        values = {"ip": "127.0.0.1", "port": "8888", "sock": sock, "open_browser": "False"}
        if os.getuid() == 0:
            values["allow_root"] = "True"
        if sock:
            values["sock_mode"] = "0600"
        # What stands on Jupyter Server brings its program.
        is_new = not program.endswith("-notebook") and shutil.which("jupyter-server")
        options = []
        for kind, root in (("ServerApp", "root_dir"), ("NotebookApp", "notebook_dir")):
            if kind == "NotebookApp" and is_new:
                continue
            options += ["--%s.%s=%s" % (kind, key, value) for key, value in values.items()]
            options.append("--%s.%s=%s" % (kind, root, folder))
        return options

    def mark(self, pid: int) -> None:
        """Let those who find the server of that pid find us."""
        marker = os.path.join(self.runtime, self.wish["marker"] + str(pid))
        self.markers.append(marker)
        with open(marker, "w", encoding="utf-8") as file:
            file.write("" if self.wish["keep"] else self.home + "\n")

    def until_it_answers(self, server: "subprocess.Popen[bytes]") -> int:
        """The pid that it has (`program` may have started it as a child)."""
        end = time.monotonic() + self.wish["patience"]
        while time.monotonic() < end:
            status = server.poll()
            if status is not None:
                raise Problem("ended", str(status), self.tail())
            if self.is_told_to_end:
                raise Problem("failed", "it was told to end", self.tail())
            for pid, file in servers(self.runtime):
                if session_of(pid) == server.pid and self.answers(file):
                    return pid
            select.select([self.wakes], [], [], 0.1)
        raise Problem("silent", str(self.wish["patience"]), self.tail())

    def answers(self, file: str) -> bool:
        """Whether somebody listens where the server's file says.

        :raises Problem: it is a port at which everybody on this host is let in.
        """
        try:
            with open(file, encoding="utf-8") as content:
                told = json.load(content)
            unix, port = told.get("sock"), told.get("port")
            with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as probe:
                probe.settimeout(PROBE)
                probe.connect(unix or ("127.0.0.1", port))
            if not unix and lets_anybody_in(told):
                raise Problem("open")
        except (OSError, ValueError, http.client.HTTPException):
            return False  # it is being written, or not bound yet
        return True

    def tail(self) -> str:
        """The end of the server's log."""
        with open(self.path("log"), "rb") as file:
            file.seek(max(0, os.path.getsize(self.path("log")) - TAIL))
            return file.read().decode("utf-8", "replace")

    def watch(self) -> None:
        """Return when the server is to end, or has ended."""
        assert self.server is not None
        held = {}  # type: Dict[str, float]
        grace = self.wish["grace"]
        until = time.monotonic() + min(grace, FIRST_GRACE)
        while self.server.poll() is None and not self.is_told_to_end:
            now = time.monotonic()
            if not self.wish["keep"] and now >= until:
                return
            wait = 60.0 if self.wish["keep"] else min(60.0, until - now)
            ready, _, _ = select.select([self.line, self.wakes], [], [], wait)
            if self.wakes in ready:
                os.read(self.wakes, 4096)
            if self.line in ready and self.hears(held):
                return
            if held:
                until = max(held.values()) + grace
            self.tidy_log()

    def hears(self, held: Dict[str, float]) -> bool:
        """Note who holds it; whether the last one has ended it."""
        # A line is written at once, and so are several.
        for line in os.read(self.line, 65536).decode("utf-8", "replace").splitlines():
            word, _, name = line.partition(" ")
            if word == "hold":
                held[name] = time.monotonic()
            elif word == "end" and not self.wish["keep"]:
                held.pop(name, None)
                fresh = time.monotonic() - self.wish["grace"]
                if not any(when > fresh for when in held.values()):
                    return True
        return False

    def tidy_log(self) -> None:
        """Take out the token, which Notebook before 6.1 writes there; and all, when it is much."""
        with contextlib.suppress(OSError), open(self.path("log"), "r+b") as file:
            if os.fstat(file.fileno()).st_size == self.tidied:
                return
            content = file.read(LONGEST_LOG + 1)
            tidy = b"" if len(content) > LONGEST_LOG else content.replace(self.token.encode(), b"")
            if tidy != content:
                file.seek(0)
                file.truncate()  # the server appends
                file.write(tidy)
            self.tidied = len(tidy)

    def close(self) -> None:
        """End the server, and leave nothing of it."""
        if self.server is not None and self.server.poll() is None:
            self.end(self.server)
        for marker in self.markers:
            with contextlib.suppress(OSError):
                os.unlink(marker)
        with contextlib.suppress(OSError):
            for name in os.listdir(self.home):
                os.unlink(self.path(name))
            # Where others could take its name it stays ours: an empty folder.
            if is_ours_alone(os.path.dirname(self.home)):
                os.rmdir(self.home)

    @staticmethod
    def end(server: "subprocess.Popen[bytes]") -> None:
        """Its kernels have sessions of their own: it ends them, or they notice."""
        with contextlib.suppress(OSError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(TIME_TO_END)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


if __name__ == "__main__":
    main()
    sys.exit()
