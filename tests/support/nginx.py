"""A real nginx that ends TLS in front of a socket or a port, with a site of a few lines.

::

    with nginx(name, "*.apps.example.net", upstream="unix:/run/j.sock") as web:
        web.port, web.certificate               # on 127.0.0.1
        web.use(without="proxy_buffering off")  # the site without one of its lines, at once
    web.use(also="if ($uri ~ /x$) { return 204; }")
"""

import contextlib
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from jupyter_remote_tunnel.publish import certificates
from tests.support.ports import ReservedPort
from tests.support.process import Child, child, program, wait_until

_MAIN = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{
            proxy_pass http://{upstream};
{lines}
        }}
    }}
}}
"""
LINES = (
    "proxy_http_version 1.1",
    "proxy_set_header Host $http_host",
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for",
    "proxy_set_header X-Forwarded-Proto $scheme",
    "proxy_set_header Upgrade $http_upgrade",
    'proxy_set_header Connection "upgrade"',
    "proxy_buffering off",
    "proxy_request_buffering off",
    "client_max_body_size 0",
    "proxy_read_timeout 1h",
)


class Nginx:
    """A running one."""

    def __init__(self, folder: Path, names: Sequence[str], upstream: str, port: int) -> None:
        self.port = port
        self.upstream = upstream
        self._folder = folder
        made = certificates.make(names, folder)
        self.certificate, self._key = made.certificate, made.key
        self._process: Child | None = None
        self._write()

    def _write(self, without: str = "", also: str = "") -> None:
        lines = [line for line in LINES if not without or without not in line]
        text = _MAIN.format(
            folder=self._folder,
            port=self.port,
            certificate=self.certificate,
            key=self._key,
            upstream=self.upstream,
            lines="\n".join([*(f"            {line};" for line in lines), also]),
        )
        (self._folder / "nginx.conf").write_text(text)

    def use(self, *, without: str = "", also: str = "") -> None:
        """Another site from now on."""
        assert self._process is not None
        self._write(without, also)
        before = self._process.output.count("gracefully shutting down")
        self._process.send_signal(signal.SIGHUP)
        process = self._process
        wait_until(
            lambda: process.output.count("gracefully shutting down") > before, "nginx's new site"
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """As long as the block lasts."""
        argv = [program("nginx"), "-e", "stderr", "-c", str(self._folder / "nginx.conf")]
        with child(argv) as process:
            self._process = process
            # It listens before that; a signal for another site would then be lost.
            process.wait_for_line("start worker process ")
            yield


@contextlib.contextmanager
def nginx(*names: str, upstream: str) -> Iterator[Nginx]:
    """Start one whose certificate is for `names`."""
    folder = Path(tempfile.mkdtemp(prefix="jrt-nginx-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        port = stack.enter_context(ReservedPort()).number
        web = Nginx(folder, names, upstream, port)
        stack.enter_context(web.running())
        yield web
