"""Pasted lines of ssh, the short form, and the options' three tables."""

import shutil
import string
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from jupyter_remote_tunnel.model import command_line as grammar
from jupyter_remote_tunnel.model.command_line import command_line, parse_command, spec_of
from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.forward import ForwardSpec
from jupyter_remote_tunnel.model.spec import OnConflict, SshOptions, TunnelRequest, TunnelSpec
from tests.support.fuzzing import AWKWARD, assert_for_people, mutated_text, soon

from .test_forward import forwards, hosts


@pytest.mark.parametrize(
    "line",
    [
        "ssh -NfL localhost:5006:localhost:5006 user@remote.host",
        "ssh -N -f -L localhost:5006:localhost:5006 user@remote.host",
        "  $ ssh -NfLlocalhost:5006:localhost:5006 -l user remote.host &",
        "nohup ssh -NL localhost:5006:localhost:5006 user@remote.host &",
        "autossh -M 0 -f -N -L localhost:5006:localhost:5006 user@remote.host",
        "AUTOSSH_PORT=0 autossh -M20000 -NL localhost:5006:localhost:5006 user@remote.host",
        "/usr/bin/ssh user@remote.host -NTL localhost:5006:localhost:5006",
        "jupyter tunnel open -L localhost:5006:localhost:5006 user@remote.host",
        "ssh -o LocalForward='localhost:5006 localhost:5006' -N user@remote.host",
        "ssh -N \\\n  -L localhost:5006:localhost:5006 \\\n  user@remote.host",
        'ssh -N -L "localhost:5006:localhost:5006" -- user@remote.host',
        "ssh -L localhost:5006:localhost:5006 -qvvv -xakn ssh://user@remote.host",
    ],
)
def test_a_pasted_line_works(line: str) -> None:
    spec = parse_command(line)
    assert spec.host == "remote.host"
    assert spec.ssh == SshOptions(user="user")
    assert [str(forward) for forward in spec.forwards] == ["-L localhost:5006:localhost:5006"]
    assert spec.name == "user@remote.host:5006"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("-L 5007:localhost:5006 gpu01", "gpu01:5006"),
        ("-L 5007:/run/app.sock gpu01", "gpu01:app.sock"),
        ("-R 5037:localhost:5006 gpu01", "gpu01:5037"),
        ("-R 5037:/run/app.sock gpu01", "gpu01:5037"),
        ("-R 0:localhost:5006 gpu01", "gpu01:5006"),
        ("-R 1080 gpu01", "gpu01:socks-1080"),
        ("-D 1080 gpu01", "gpu01:socks-1080"),
        ("-L 8080:db.internal:5432 gw", "gw:db.internal:5432"),
        ("-L 8080:[2001:db8::2]:80 ann@gw", "ann@gw:[2001:db8::2]:80"),
        ("-R 8080:intranet:80 gw", "gw:8080"),
        ("-R 0:intranet:80 gw", "gw:80"),
        ("-L 8080:gw:80 gw", "gw:80"),
        ("-L 8080:127.0.0.1:80 gw", "gw:80"),
        ("ann@gpu01:5006", "ann@gpu01:5006"),
        ("-l bob -L 5007:localhost:5006 gpu01", "bob@gpu01:5006"),
        ("ann@[2001:db8::1]:5006", "ann@[2001:db8::1]:5006"),
    ],
)
def test_a_name_that_nobody_chose_says_who_logs_in_and_where_it_leads(line: str, name: str) -> None:
    assert parse_command(line).name == name


def test_a_whole_line_may_stand_in_quotes() -> None:
    line = "ssh -NfL 5006:localhost:5006 ann@gpu01 &"
    assert parse_command([line]) == parse_command(line)
    assert parse_command(f"'{line}'") == parse_command(f'"{line}"') == parse_command(line)


def test_every_honoured_option_arrives() -> None:
    spec = parse_command(
        "ssh -4 -C -p 2222 -l ann -i k1 -i k2 -J gw,b@gw2:22 -F cfg -o Compression=yes -b 10.0.0.1"
        " -c aes128-ctr -m hmac-sha2-256 -L 1:a:2 -R 3:b:4 -D 5 --name work --on-conflict=pick host"
    )
    assert spec.ssh == SshOptions(
        user="ann",
        port=2222,
        jump="gw,b@gw2:22",
        identities=("k1", "k2"),
        config_file="cfg",
        options=("Compression=yes",),
        address_family="inet",
        compression=True,
        bind_address="10.0.0.1",
        ciphers="aes128-ctr",
        macs="hmac-sha2-256",
    )
    assert [str(f) for f in spec.forwards] == ["-L 1:a:2", "-R 3:b:4", "-D 5"]
    assert (spec.name, spec.on_conflict) == ("work", "pick")


def test_short_form_and_url() -> None:
    short = parse_command("ann@gpu01:5006")
    assert (short.host, short.ssh.user, short.ssh.port) == ("gpu01", "ann", None)
    assert [str(f) for f in short.forwards] == ["-L 5006:localhost:5006"]
    url = parse_command("-D 1 ssh://ann@[2001:db8::1]:2222/")
    assert (url.host, url.ssh.user, url.ssh.port) == ("2001:db8::1", "ann", 2222)


@pytest.mark.parametrize(
    ("host", "hints"),
    [
        ("gpu01", ["gpu01:5006", "-L 5006:localhost:5006 gpu01"]),
        ("ssh://ann@gpu01", ["ann@gpu01:5006", "-L 5006:localhost:5006 ann@gpu01"]),
        (
            "ssh://ann@gpu01:2222/",
            ["-p 2222 ann@gpu01:5006", "-p 2222 -L 5006:localhost:5006 ann@gpu01"],
        ),
        ("2001:db8::1", ["[2001:db8::1]:5006", "-L 5006:localhost:5006 [2001:db8::1]"]),
    ],
)
def test_what_is_proposed_for_a_host_alone_leads_there(host: str, hints: list[str]) -> None:
    with pytest.raises(BadInput, match="Nothing to forward") as caught:
        parse_command(host)
    assert caught.value.hint == f"For example: {hints[0]}, or {hints[1]}"
    proposed = [parse_command(hint) for hint in hints]
    assert proposed == [parse_command(f"-L 5006:localhost:5006 {host}")] * 2


@pytest.mark.parametrize(
    ("host", "proposed"),
    [
        ("::1:5006", "[::1]:5006"),
        ("ann@2001:db8::1:5006", "ann@[2001:db8::1]:5006"),
    ],
)
def test_a_port_behind_an_address_without_brackets_is_told_how(host: str, proposed: str) -> None:
    with pytest.raises(BadInput, match="Nothing to forward") as caught:
        parse_command(host)
    assert caught.value.hint.endswith(f"put the address in brackets: {proposed}")
    assert parse_command(proposed).name == proposed


@pytest.mark.parametrize(
    ("line", "wrong"), [("ann@gpu01:5006:foo", "foo"), ("gpu01:5006:localhost:80", "localhost:80")]
)
def test_a_host_with_two_ports_is_pointed_at(line: str, wrong: str) -> None:
    with pytest.raises(BadInput, match="one part too many") as caught:
        parse_command(line)
    where = caught.value.where
    assert where is not None
    assert where["text"][where["start"] : where["end"]] == wrong
    assert "-L 5006:localhost:5006 user@host" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "wrong", "proposed"),
    [
        ("-L 5006:http://localhost:5006/app h", "http://localhost:5006/app",
         "-L 5006:localhost:5006"),
        ("-L http://db:5006/ h", "http://db:5006/", "-L 5006:db:5006"),
        ("-R 80:https://[::1]/a?b=c:d h", "https://[::1]/a?b=c:d", "-R 80:[::1]:443"),
        ("http://localhost:5006/app", "http://localhost:5006/app", "user@host:5006"),
        ("-D 1080 WS://u:p@gpu01", "WS://u:p@gpu01", "user@host:80"),
    ],
)  # fmt: skip
def test_a_url_is_no_address(line: str, wrong: str, proposed: str) -> None:
    with pytest.raises(BadInput, match="not a URL") as caught:
        parse_command(line)
    where = caught.value.where
    assert where is not None
    assert where["text"][where["start"] : where["end"]] == wrong
    assert caught.value.hint.removeprefix("Write ").startswith(proposed)


def test_a_path_may_look_like_a_url() -> None:
    line = "-L /tmp/http://a/b -L private:/srv/http h"
    assert [str(f) for f in parse_command(line).forwards] == [
        "-L /tmp/http://a/b",
        "-L private:/srv/http",
    ]


@pytest.mark.parametrize("line", ["-L “1:a:2” h", "-L 1:a:2 “h”", "-NL\u00a01:a:2 h"])
def test_what_a_shell_took_for_letters_is_named(line: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_command(line.split(" "))
    assert "as in print: type it anew" in caught.value.hint


def test_g_opens_what_would_be_loopback() -> None:
    spec = parse_command(
        "ssh -gNL 5006:localhost:5006 -L ::1:1:a:2 -R 1:a:2 h".replace("::1", "[::1]")
    )
    assert [str(f) for f in spec.forwards] == [
        "-L *:5006:localhost:5006",
        "-L [::1]:1:a:2",
        "-R 1:a:2",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "empty"),
        ("ssh -N -L 1:a:2", "host is missing"),
        ("ssh gpu01", "Nothing to forward"),
        ("ssh -L 1:a:2 h ls -l", "no command"),
        ("sshpass -p secret ssh -L 1:a:2 h", "sshpass"),
        ("sudo ssh -L 1:a:2 h", "sudo"),
        ("FOO=1 ssh -L 1:a:2 h", "variable"),
        ("ssh -L 1:a:2 h; rm x", "“;”"),
        ("ssh -L 1:a:2 h | cat", "“|”"),
        ("ssh -L 1:a:2 h > log", "“>”"),
        ("ssh -L 1:a:2 $(cat host)", "“$(”"),
        ("ssh -L 1:a:2 `cat host`", "“`”"),
        ("ssh -L 1:a:2 h && x", "“&&”"),
        ("ssh -L 1:a:2 'h", "quot"),
        ("ssh -L 1:a:2 h\nssh -L 3:a:4 h", "more than one line"),
        ("ssh -L", "-L needs a value"),
        ("ssh -p x -L 1:a:2 h", "not a port"),
        ("ssh -p 0 -L 1:a:2 h", "not a port"),
        ("ssh -9 -L 1:a:2 h", "no option -9"),
        ("ssh --frob -L 1:a:2 h", "--frob"),
        ("ssh --name", "needs a value"),
        ("ssh --on-conflict=ask -L 1:a:2 h", "fail or pick"),
        ("ssh -L 1:a:2 -oProxyCommand=x -- -oh", "begin with"),
        ("ssh -L 1:a:2 -l -x h", "user name"),
        ("ssh -L 1:a:2 -J a;b h", "“;”"),
        ("ssh -L 1:a:2 -J -oProxyCommand=x h", "begin with"),
        ("ssh -L 1:a:2 -o StrictHostKeyChecking=no h", "always verified"),
        ("ssh -L 1:a:2 -o 'StrictHostKeyChecking off' h", "always verified"),
        ("ssh -L 1:a:2 -o UserKnownHostsFile=/dev/null h", "always verified"),
        ("ssh -L 1:a:2 -o '\"ProxyCommand\" x' h", "Key=Value"),
        ("ssh -L 1:a:2 -o Compression h", "Key=Value"),
        ("ssh -L 1:a:2 -o 'HostName=\"x&touch y&\"' h", "host cannot hold '&'"),
        ("ssh -L 1:a:2 h& touch y", "“&”"),
        ("ssh -L 1:a:2 --name '' h", "name"),
        ("ssh -L 1:a:2 ssh://2001:db8::1]:22/", "host cannot hold ']'"),
        ("ssh -L 1:a:2 ssh://[2001:db8::1[1]", "host cannot hold '['"),
    ],
)
def test_refuses_with_the_reason(line: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_command(line)
    assert said in caught.value.message


@pytest.mark.parametrize("letter", sorted(grammar.REFUSED))
def test_refused_options_say_why(letter: str) -> None:
    with pytest.raises(BadInput, match=f"-{letter} cannot be used: .{{10}}"):
        parse_command(f"ssh -N{letter} -L 1:a:2 h")


def test_every_option_of_ssh_is_in_exactly_one_table() -> None:
    """The options that the installed ssh takes, read off its own usage text."""
    ssh = shutil.which("ssh")
    assert ssh is not None
    usage = subprocess.run([ssh], capture_output=True, text=True, check=False).stderr
    flags = usage.split("[-", 2)[1].split("]")[0]
    options = {word[1] for word in usage.replace("[", " ").split() if word.startswith("-")}
    known = [set(grammar.HONOURED), set(grammar.NO_EFFECT), set(grammar.REFUSED)]
    for letter in (set(flags) | options) & set(string.ascii_letters + string.digits):
        assert sum(letter in table for table in known) == 1, letter
    assert not known[0] & known[1]
    assert not known[0] & known[2]
    assert not known[1] & known[2]


@pytest.mark.parametrize(
    "option",
    [
        'HostName="x&touch y&"',
        "HostName=x$(touch y)",
        "hostname = 'x y'",
        "HostName x;touch",
        'HostKeyAlias="x&touch y&"',
        "HostKeyAlias=-oProxyCommand=x",
        "ProxyJump=a,b$(touch y)",
        "CanonicalDomains=a b|touch",
        "User=x;touch",
    ],
)
def test_a_value_that_ssh_hands_to_a_shell_holds_nothing_for_one(option: str) -> None:
    with pytest.raises(BadInput):
        parse_command(["-L", "1:a:2", "-o", option, "h"])


def test_other_values_are_taken() -> None:
    options = ("HostName=%h.example.org", 'HostName "10.0.0.1"', "HostKeyAlias=gpu", "User=ann")
    words = [word for option in options for word in ("-o", option)]
    assert parse_command(["-L", "1:a:2", *words, "h"]).ssh.options == options


@pytest.mark.parametrize(
    "option",
    [
        "ProxyCommand=x",
        "proxycommand x",
        "  PROXYCOMMAND  =  x",
        "LocalCommand=x",
        "KnownHostsCommand=x",
        "PKCS11Provider=x",
        "SecurityKeyProvider=x",
    ],
)
def test_options_that_start_programs_are_known(option: str) -> None:
    assert parse_command(["-L", "1:a:2", "-o", option, "h"]).ssh.executing
    assert parse_command(["-L", "1:a:2", "-F", "x", "h"]).ssh.executing == ("-F",)


def test_a_request_by_fields_or_by_command() -> None:
    by_fields = spec_of(TunnelRequest(host="ann@h", forwards=("-L 5006:localhost:5006",)))
    by_command = spec_of(TunnelRequest(command="ssh -NL 5006:localhost:5006 ann@h"))
    assert by_fields == by_command
    named = spec_of(TunnelRequest(command="h:1", name="x", on_conflict="pick"))
    assert (named.name, named.on_conflict) == ("x", "pick")
    telling = TunnelRequest(command="-R 1:a:2 h", proxy_protocol=True)
    assert spec_of(telling).request().as_dict()["proxy_protocol"] is True
    assert not spec_of(telling).same_as(spec_of(replace(telling, proxy_protocol=False)))
    for wrong in (
        TunnelRequest(),
        TunnelRequest(host="h", command="h:1"),
        TunnelRequest(command="h:1", ssh=SshOptions(port=22)),
        TunnelRequest(host="h", forwards=("-L 1:a:2",), ssh=SshOptions(options=("x\ny=1",))),
        TunnelRequest(host="h", forwards=("-L 1:a:2",), ssh=SshOptions(port=70000)),
        TunnelRequest(host="h", forwards=("-L 1:a:2",), proxy_protocol=True),
        TunnelRequest(host="h", forwards=("-R 1:a:2", "-R 1080"), proxy_protocol=True),
        TunnelRequest(command="-D 1080 h", proxy_protocol=True),
    ):
        with pytest.raises(BadInput):
            spec_of(wrong)


words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)
options = st.builds(
    SshOptions,
    user=st.none() | st.from_regex(r"[a-z][a-z0-9._@-]{0,10}", fullmatch=True),
    port=st.none() | st.integers(1, 65535),
    jump=st.none() | st.lists(hosts.filter(lambda h: ":" not in h), min_size=1).map(",".join),
    identities=st.lists(words, max_size=2).map(tuple),
    config_file=st.none() | words,
    options=st.lists(words.map(lambda v: f"SetEnv={v}"), max_size=2).map(tuple),
    address_family=st.sampled_from(["any", "inet", "inet6"]),
    compression=st.booleans(),
    bind_address=st.none() | words,
    ciphers=st.none() | words,
    macs=st.none() | words,
)


@given(
    hosts, st.lists(forwards, min_size=1, max_size=3), options, st.sampled_from(["fail", "pick"])
)
def test_what_was_understood_says_the_same_again(
    host: str, wanted: list[ForwardSpec], ssh: SshOptions, on_conflict: OnConflict
) -> None:
    bracketed = f"[{host}]" if ":" in host else host
    spec = TunnelSpec.make(bracketed, tuple(wanted), ssh=ssh, on_conflict=on_conflict)
    assert spec_of(spec.request()) == spec
    line = command_line(spec)
    assert parse_command(line) == spec


LINES = [
    "nohup autossh -M 0 -Nf -L 5006:localhost:5006 -R :80:[::1]:8 -D 1080 ann@gpu01 > /dev/null &",
    "me@laptop:~$ ssh -4C -p 2222 -i 'my key' -J gw,b@gw2:22 -o Compression=yes -L /a:/b gpu01 # x",
    "jupyter tunnel open --name work --on-conflict=pick ssh://ann@[2001:db8::1]:2222/ -L 1:a:2",
    "ann@gpu01:5006",
]


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from([*" ".join(LINES).split(), *AWKWARD])).map(" ".join)
    | st.sampled_from(LINES).flatmap(mutated_text)
    | st.sampled_from(LINES).flatmap(mutated_text).flatmap(mutated_text)
)
def test_any_line_is_read_or_refused(line: str) -> None:
    note(repr(line))
    with soon():
        try:
            spec = parse_command(line)
        except BadInput as error:
            assert_for_people(error)
            return
        assert spec.forwards
        assert parse_command(command_line(spec)) == spec
