"""Host names as DNS has them, and what is none."""

import pytest

from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.host_name import published_name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Jupyter.Example.ORG.", "jupyter.example.org"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("203.0.113.7", "203.0.113.7"),
        ("jupyter", "jupyter"),
    ],
)
def test_names_as_dns_has_them(typed: str, name: str) -> None:
    assert published_name(typed) == name


@pytest.mark.parametrize(
    "typed",
    [
        *("", "-a", "a..b", "*.example.org", "a b", "https://a", "a/b", "a:443", "[::1]", "::1"),
        *("1.2.3", "a.1", f"{'a' * 64}.b", ".".join(130 * ["a"]), "a-.b", "x;y", "x\ny"),
    ],
)
def test_what_is_no_name(typed: str) -> None:
    with pytest.raises(BadInput) as caught:
        published_name(typed)
    assert caught.value.message
