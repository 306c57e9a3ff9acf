"""What is found in a folder of a gateway, which any program of that account could have written."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.address import TcpAddress, UnixAddress
from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.forward import ForwardSpec, OfferedPort
from jupyter_remote_tunnel.model.offer import MARK, Descriptor, Offer, Word, folders_in, offers_in
from jupyter_remote_tunnel.model.spec import TunnelSpec

FOLDER = "/home/ann/.jupyter-remote-tunnel"
DESCRIPTOR = Descriptor("0123456789abcdef", "ann@workstation", "localhost:5006")


def described(descriptor: Descriptor, folder: str = FOLDER, port: int = 5006) -> str:
    return f"{MARK} offer {folder}/{port}.json {descriptor.encode().decode()}"


def made(folder: str = FOLDER, port: int = 5006) -> str:
    return f"{MARK} socket {folder}/{port}.sock\n"


def test_a_socket_is_enough() -> None:
    listing = f"Welcome to gw!\n{made()}{made(port=8888)}"
    assert offers_in(listing) == {
        5006: Offer(UnixAddress(f"{FOLDER}/5006.sock")),
        8888: Offer(UnixAddress(f"{FOLDER}/8888.sock")),
    }


def test_who_offers_it_is_told_beside_the_socket() -> None:
    (offer,) = offers_in(made() + described(DESCRIPTOR)).values()
    assert offer == Offer(
        UnixAddress(f"{FOLDER}/5006.sock"),
        UnixAddress(f"{FOLDER}/5006.beacon"),
        "ann@workstation",
        "localhost:5006",
        "0123456789abcdef",
    )


@pytest.mark.parametrize(("beacon_port", "beacon"), [(None, None), (41, "127.0.0.1:41")])
def test_ports_stand_in_for_sockets(beacon_port: int | None, beacon: str | None) -> None:
    descriptor = Descriptor("a", "b", "c", port=5006, beacon_port=beacon_port)
    (offer,) = offers_in(described(descriptor)).values()
    assert offer.address == TcpAddress("127.0.0.1", 5006)
    assert (None if offer.beacon is None else str(offer.beacon)) == beacon


def test_a_port_can_have_a_socket_for_its_beacon() -> None:
    descriptor = Descriptor("a", "b", "c", port=5007, beacon_socket=True)
    (offer,) = offers_in(described(descriptor)).values()
    assert offer.address == TcpAddress("127.0.0.1", 5007)
    assert offer.beacon == UnixAddress(f"{FOLDER}/5006.beacon")


def test_the_first_folder_wins() -> None:
    found = offers_in(made("/run/user/1000/o") + made() + described(DESCRIPTOR))
    assert found[5006].address == UnixAddress("/run/user/1000/o/5006.sock")


def test_where_something_may_come_to_be_offered() -> None:
    lines = (f"{MARK} folder {path}" for path in ("/run/o", "/home/o", "/home/o", "x", "", "/\x07"))
    assert folders_in("\n".join(("Hello", *lines))) == ["/run/o", "/home/o"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps({"offer": "a", "by": 1, "destination": "c"}),
        json.dumps({"offer": "a", "by": "b", "destination": "c", "port": 70_000}),
        json.dumps({"offer": "a", "by": "b", "destination": "c", "port": True}),
        json.dumps({"offer": "a", "by": "b", "destination": "c", "beacon_port": "22"}),
    ],
)
def test_what_is_no_descriptor_says_nothing(content: str) -> None:
    assert offers_in(f"{MARK} offer {FOLDER}/5006.json {content}") == {}
    (offer,) = offers_in(f"{made()}{MARK} offer {FOLDER}/5006.json {content}").values()
    assert offer.beacon is None


@pytest.mark.parametrize(
    "line",
    [
        f"{MARK} socket relative/5006.sock",
        f"{MARK} socket {FOLDER}/0.sock",
        f"{MARK} socket {FOLDER}/65536.sock",
        f"{MARK} socket {FOLDER}/5006.sock and more",
        f"{MARK} socket /home/\x1b[31m/5006.sock",
        f"{FOLDER}/5006.sock",
    ],
)
def test_what_is_no_offer_is_passed_over(line: str) -> None:
    assert offers_in(line) == {}


def test_its_words_are_plain_and_short() -> None:
    descriptor = Descriptor("a", "ann\x1b[31m" + "x" * 1000, "\u202ec")
    (offer,) = offers_in(described(descriptor)).values()
    assert offer.by.isprintable()
    assert len(offer.by) <= 100
    assert offer.destination == "c"


@given(st.text())
def test_any_text_is_a_word_or_none(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert Word.decode(text).problem.isprintable()


def test_a_word_comes_back() -> None:
    word = Word("0123456789abcdef", "Connection refused.")
    assert Word.decode(word.encode().decode()) == word


def test_an_offer_is_a_forward_with_a_name() -> None:
    forward = ForwardSpec.parse("-R offer/5006:localhost:5007")
    assert forward.bind == OfferedPort(5006)
    assert str(forward) == "-R offer/5006:localhost:5007"
    assert TunnelSpec.make("ann@gw", (forward,)).name == "ann@gw:5006"


def test_it_can_be_a_port_there() -> None:
    forward = ForwardSpec.parse("-R offer/tcp/5006:localhost:5007")
    assert forward.bind == OfferedPort(5006, tcp=True)
    assert str(forward) == "-R offer/tcp/5006:localhost:5007"


@pytest.mark.parametrize("port", ["0", "65536", "99999999999"])
@pytest.mark.parametrize("kind", ["", "tcp/"])
def test_it_has_a_real_port(port: str, kind: str) -> None:
    with pytest.raises(BadInput) as caught:
        ForwardSpec.parse(f"-R offer/{kind}{port}:localhost:5006")
    where = caught.value.where
    assert where is None or where["text"][where["start"] : where["end"]] == port


def test_a_path_of_that_name_is_a_path() -> None:
    assert str(ForwardSpec.parse("-L offer/5006:localhost:5006").bind) == "offer/5006"
    assert isinstance(ForwardSpec.parse("-L offer/5006:localhost:5006").bind, UnixAddress)
