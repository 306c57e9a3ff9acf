"""A real Jupyter as a subprocess: Jupyter Server, JupyterLab or Notebook 7, with checks on.

Every folder it knows (home, configuration, data, runtime, temporary files, notebooks) is private
and goes with it. Login and XSRF checks are as a user has them, and a handler without a decorator
is guarded by Jupyter, which is no proof (`allow_unauthenticated_access` is False)::

    with jupyter() as server:                               # Jupyter Server, token
        server.url, server.token, server.runtime_dir
    with jupyter("lab", password="…", https=True, base_url="/hub/x/") as server: ...
    with jupyter(traits={"TunnelManager": {"max_tunnels": 2}}) as server: ...

The extension is switched on by configuration, so an editable install of the source is enough.
"""

import contextlib
import datetime
import ipaddress
import json
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.netns import Namespace
from tests.support.ports import ReservedPort
from tests.support.process import Child, PeerError, child, environment, program, wait_until

#: What each kind is started as.
_MODULES = {"server": "jupyter_server", "lab": "jupyterlab", "notebook": "notebook"}

# A page of JupyterLab asks whether that should be built anew, and to answer it takes Node a second.
# Where the server ends meanwhile, nothing in JupyterLab handles the failure.
_NO_BUILD = {"buildAvailable": False, "buildCheck": False}
_NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


@dataclass(frozen=True)
class Jupyter:
    """A running server. `url` ends with a slash and holds no token; all folders lie in `folder`.

    `token` is "" where a password is set, `password` where a token is. `certificate` is the
    self-signed one (PEM) under https.
    """

    process: Child
    folder: Path
    port: int
    base_url: str
    token: str
    password: str
    certificate: Path | None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT/base/``, or https."""
        return self.url_on("127.0.0.1")

    def url_on(self, host: str) -> str:
        """The same under another name, such as ``localhost``."""
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{host}:{self.port}{self.base_url}"

    @property
    def runtime_dir(self) -> Path:
        """Its JUPYTER_RUNTIME_DIR."""
        return self.folder / "runtime"

    @property
    def data_dir(self) -> Path:
        """Its JUPYTER_DATA_DIR."""
        return self.folder / "data"

    @property
    def root_dir(self) -> Path:
        """The folder of its notebooks."""
        return self.folder / "notebooks"

    @property
    def environment(self) -> dict[str, str]:
        """The environment that a command of the same user has, such as `jupyter tunnel`."""
        return _environment(self.folder)


def _environment(folder: Path) -> dict[str, str]:
    bin_folder = Path(sys.executable).parent
    return environment(
        {
            "HOME": str(folder / "home"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "IPYTHONDIR": str(folder / "ipython"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "TMPDIR": str(folder / "tmp"),
            "PATH": f"{bin_folder}:{environment()['PATH']}",
        }
    )


@contextlib.contextmanager
def jupyter(
    kind: str = "server",
    *,
    password: str = "",
    https: bool = False,
    base_url: str = "/",
    extension: bool = True,
    ip: str = "127.0.0.1",
    port: int | None = None,
    traits: Mapping[str, Mapping[str, Any]] | None = None,
    env: Mapping[str, str] | None = None,
    hosts: Mapping[str, str] | None = None,
    dns: str = "",
    namespace: Namespace | None = None,
) -> Iterator[Jupyter]:
    """Start one; `traits` is {class: {trait: value}}, added to the configuration.

    `hosts` are names with their addresses, which it alone finds, as in /etc/hosts (needs root), and
    `dns` is the address of a server that it alone asks for others. In `namespace` it is out of
    reach from here.

    With `password` there is no token at all. `base_url` begins and ends with a slash. `port` None
    is a free one.
    """
    folder = Path(tempfile.mkdtemp(prefix="jrt-jup-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        if port is None:
            port = stack.enter_context(ReservedPort()).number
        token = "" if password else secrets.token_hex(24)
        for name in ("home", "config", "data", "runtime", "ipython", "run", "tmp", "notebooks"):
            (folder / name).mkdir(mode=0o700)
        certificate = self_signed(folder) if https else None
        settings: dict[str, dict[str, Any]] = {
            "ServerApp": {
                "ip": ip,
                "port": port,
                "port_retries": 0,
                "base_url": base_url,
                "root_dir": str(folder / "notebooks"),
                "open_browser": False,
                "allow_root": True,
                "allow_unauthenticated_access": False,
                "jpserver_extensions": {"jupyter_remote_tunnel": extension, **_without(kind)},
                "tornado_settings": {"page_config_data": _NO_BUILD},
            },
            "IdentityProvider": {"token": token},
            "LabApp": {"news_url": None, "extension_manager": "readonly"},
            "LanguageServerManager": {"autodetect": False},
        }
        if password:
            settings["PasswordIdentityProvider"] = {"hashed_password": hashed(password)}
        if certificate:
            settings["ServerApp"]["certfile"] = str(certificate)
            settings["ServerApp"]["keyfile"] = str(folder / "key.pem")
        for name, values in (traits or {}).items():
            settings.setdefault(name, {}).update(values)
        _write_config(folder, settings)
        argv = [*_knowing(hosts, dns, folder), sys.executable, "-m", _MODULES[kind]]
        argv = namespace.wrap(argv) if namespace else argv
        process = stack.enter_context(
            child(argv, env={**_environment(folder), **(env or {})}, cwd=folder / "notebooks")
        )
        process.wait_for_line(r"is running at:")
        at = (ip, port)
        # Which it binds after that.
        wait_until(lambda: _listens(process, at, namespace), "Jupyter's port")
        yield Jupyter(process, folder, port, base_url, token, password, certificate)


@contextlib.contextmanager
def started_again(
    server: Jupyter, kind: str = "lab", *more: str, env: Mapping[str, str] | None = None
) -> Iterator[Jupyter]:
    """A server whose process has ended, started again: same folders, port and secrets.

    :param more: of its command line.
    """
    argv = [sys.executable, "-m", _MODULES[kind], *more]
    with child(argv, env={**server.environment, **(env or {})}, cwd=server.root_dir) as process:
        process.wait_for_line(r"is running at:")
        at = ("127.0.0.1", server.port)
        wait_until(lambda: _listens(process, at), "Jupyter's port")
        yield replace(server, process=process)


def _listens(process: Child, at: tuple[str, int], namespace: Namespace | None = None) -> bool:
    if process.returncode is not None:
        raise PeerError(f"Jupyter ended:\n{process.output}")
    if namespace is not None:
        return at[1] in namespace.listening()
    with socket.socket() as probe:
        return probe.connect_ex(at) == 0


def hashed(password: str) -> str:
    """As Jupyter does it, but in no time: before it is published a hundred others are tried."""
    return f"argon2:{PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)}"


def _without(kind: str) -> dict[str, bool]:
    """A plain server starts a second sooner without the front ends, which it does not serve."""
    others = ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp")
    return dict.fromkeys(others, False) if kind == "server" else {}


def _knowing(hosts: Mapping[str, str] | None, dns: str, folder: Path) -> list[str]:
    """What stands before a command that is to find these hosts, and to ask that DNS."""
    files: dict[str, str] = {}
    if hosts:
        own = "".join(f"{address} {name}\n" for name, address in hosts.items())
        files["hosts"] = own + Path("/etc/hosts").read_text()
    if dns:
        files["resolv.conf"] = f"nameserver {dns}\noptions timeout:1 attempts:2\n"
        files["nsswitch.conf"] = "hosts: files dns\npasswd: files\ngroup: files\n"
    if not files:
        return []
    for name, text in files.items():
        (folder / name).write_text(text)
    mounts = [f'mount --bind "$0"/{name} /etc/{name}' for name in files]
    script = " && ".join([*mounts, 'exec "$@"'])
    return [program("unshare"), "--mount", "--", "sh", "-c", script, str(folder)]


def _write_config(folder: Path, settings: Mapping[str, Mapping[str, Any]]) -> None:
    config = folder / "config"
    (config / "jupyter_server_config.json").write_text(json.dumps(settings))
    (config / "jupyter_server_config.json").chmod(0o600)
    news = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text(json.dumps(_NO_NEWS))


def self_signed(folder: Path) -> Path:
    """Make ``cert.pem`` and ``key.pem`` for localhost and the loopback addresses; the former."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    loopback = [ipaddress.ip_address(text) for text in ("127.0.0.1", "::1")]
    names = [x509.DNSName("localhost"), *map(x509.IPAddress, loopback)]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "key.pem").chmod(0o600)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / "cert.pem"
