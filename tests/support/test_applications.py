"""The Bokeh application, the kernel and Jupyter come up, answer, and go away without rest."""

import socket
import stat
import urllib.error
import urllib.request

import pytest
from bokeh.client import pull_session
from bokeh.models.widgets import Div

from tests.support.bokeh_app import BokehApp
from tests.support.bokeh_app import bokeh_app as run_bokeh
from tests.support.http import anonymous, by_cookie, by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.kernel import client, ipykernel
from tests.support.leaks import assert_gone, files_below, listening
from tests.support.process import descendants


def test_bokeh_serves_its_page_its_cookie_and_a_session(bokeh_app: BokehApp) -> None:
    with urllib.request.urlopen(bokeh_app.url) as answer:
        page = answer.read().decode()
        assert "visits=1" in answer.headers["Set-Cookie"]
    assert "remote plot" in page
    assert '"/static/js/bokeh.min.js' in page
    with pull_session(url=f"http://localhost:{bokeh_app.port}/app") as session:
        pressed = session.document.get_model_by_name("pressed")
        assert isinstance(pressed, Div)
        assert pressed.text == "pressed 0 times"


def test_bokeh_on_a_unix_socket_with_a_prefix() -> None:
    with run_bokeh(unix=True, prefix="/base/x") as app, socket.socket(socket.AF_UNIX) as stream:
        stream.connect(app.destination)
        stream.sendall(b"GET /base/x/app HTTP/1.1\r\nHost: localhost:5006\r\n\r\n")
        assert stream.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_kernel_executes(transport: str) -> None:
    with ipykernel(transport) as kernel:
        assert kernel.connection["transport"] == transport
        assert stat.S_IMODE(kernel.connection_file.stat().st_mode) == 0o600
        with client(kernel.connection_file) as attached:
            reply = attached.execute_interactive("6 * 7", timeout=30, output_hook=lambda _: None)
            assert reply["content"]["status"] == "ok"
    assert not kernel.folder.exists()


def test_jupyter_by_token(jupyter_server: Jupyter) -> None:
    with by_token(jupyter_server) as http:
        assert http.get("api/status").status_code == 200
    with anonymous(jupyter_server) as http:
        assert http.get("api/status").status_code == 403
    tcp = [name for name in listening(jupyter_server.process.pid) if not name.startswith("/")]
    assert tcp == [f"127.0.0.1:{jupyter_server.port}"]
    assert [name for name in files_below(jupyter_server.runtime_dir) if "jpserver" in name]


def test_jupyter_by_password_over_https_under_a_base_url() -> None:
    with jupyter(password="correct horse", https=True, base_url="/a/b/") as server:
        assert server.url == f"https://127.0.0.1:{server.port}/a/b/"
        with by_cookie(server) as http:
            assert http.get("api/status").status_code == 200
            made = http.post("api/contents", json={"type": "file"})
            assert made.status_code == 201
            without = http.post("api/contents", json={}, headers={"X-XSRFToken": ""})
            assert without.status_code == 403
        family = descendants(server.process.pid)
        with pytest.raises(urllib.error.URLError, match="self-signed"):
            urllib.request.urlopen(server.url)
    assert_gone(family)
    assert not server.folder.exists()


@pytest.mark.parametrize(("kind", "page"), [("lab", "lab"), ("notebook", "tree")])
def test_lab_and_notebook_serve_their_page(kind: str, page: str) -> None:
    with jupyter(kind) as server, by_token(server) as http:
        assert "jupyter-config-data" in http.get(page).text
        settings = http.get("lab/api/settings/@jupyterlab/apputils-extension:notification").json()
        assert '"fetchNews": "false"' in settings["raw"]
