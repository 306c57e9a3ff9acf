"""Configurations of ssh as people write them: the man page's examples, and what is hard to read.

In each, ``{folder}`` stands for the folder that holds it. `host` is what is asked for. `refused`
is a part of the error of a machine without OpenSSH, which OpenSSH may be able to read. What is
`newer` is not known to every OpenSSH that this runs with.
"""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One configuration, with the files that it includes."""

    name: str
    text: str
    host: str = "gpu01"
    files: dict[str, str] = field(default_factory=dict)
    refused: str | None = None
    newer: bool = False

    def write(self, folder: Path) -> Path:
        """Write its files; the path of the first."""
        for name, text in {**self.files, "config": self.text}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("{folder}", str(folder)))
            path.chmod(0o600)
        return folder / "config"


CASES = (
    Case("nothing", ""),
    Case(
        "an alias",
        "Host gpu01\n  HostName 10.1.2.3\n  User ann\n  Port 2222\nHost *\n  User bob\n",
    ),
    Case("the first mention counts", "Port 1\nHost gpu01\n  Port 2\nHost *\n  Port 3\n"),
    Case(
        "several names and negation",
        "Host web* !web3 gpu01\n  User ann\nHost !gpu01 *\n  User bob\nHost gpu01 web3\n  Port 7\n",
    ),
    Case(
        "a negated name is left out",
        "Host web* !web3 gpu01\n  User ann\nHost !gpu01 *\n  User bob\nHost gpu01 web3\n  Port 7\n",
        host="web3",
    ),
    Case("case counts in Host", "Host GPU01\n  User ann\nMatch host GPU01\n  Port 9\n"),
    Case("a name in capitals", "Host GPU01\n  User ann\nMatch host gpu01\n  Port 9\n", "GPU01"),
    Case("brackets are no sets", "Host gpu[01]1\n  User ann\nHost gpu?1\n  Port 5\n"),
    Case("tokens in HostName", "Host gpu*\n  HostName %h.Example.%%org\n  HostKeyAlias My%h\n"),
    Case(
        "quotes and spaces",
        'Host gpu01\n  IdentityFile "~/my keys/id"\n  IdentityFile ~/.ssh/a\\ b\n'
        '  User "bob"\n  UserKnownHostsFile "{folder}/known hosts" ~/other\n'
        "  IdentityAgent '~/an agent'\n",
    ),
    Case(
        "equals signs, tabs and carriage returns",
        'host=gpu01\r\n\tUser = ann\r\n\tport=\t22\r\n  HostName="10.0.0.1"\r\n',
    ),
    Case(
        "comments",
        "# first\nHost gpu01 # the GPU\n  User ann # not bob\n   # more\n  Port 5 #6\n"
        "  IdentityFile ~/a#b\n",
    ),
    Case(
        "times",
        "Host gpu01\n  ConnectTimeout 1h2m3s\n  ServerAliveInterval 1M\n"
        "  ControlPersist 10m\n  ForwardX11Timeout 2w\n",
    ),
    Case("no time", "ConnectTimeout none\nServerAliveInterval 90s\nServerAliveCountMax 5\n"),
    Case(
        "algorithms are changed",
        "Host gpu01\n  Ciphers -*-gcm*\n  MACs hmac-sha2-512,hmac-sha2-256\n"
        "  KexAlgorithms ^ecdh-sha2-nistp256\n  HostKeyAlgorithms +ssh-rsa\n"
        "  PubkeyAcceptedAlgorithms -ssh-ed*,sk-*\n  CASignatureAlgorithms ssh-ed25519\n",
    ),
    Case("old names", "PubkeyAcceptedKeyTypes ssh-ed25519\nChallengeResponseAuthentication no\n"),
    Case(
        "a pattern of algorithms",
        "Host gpu01\n  User ann\n  Ciphers aes*-ctr\n",
        refused="config line 3: the pattern",
    ),
    Case(
        "a jump with an address",
        "Host gpu01\n  ProxyJump ann@[fe80::1]:2222\n",
    ),
    Case("several jumps", "Host gpu01\n  ProxyJump a,bob@b:23,c\n"),
    Case("a jump as a URL", "Host gpu01\n  ProxyJump ssh://ann@gate:2200\n"),
    Case(
        "no jump for one",
        "Host gpu01\n  ProxyJump none\nHost *\n  ProxyJump gate\n  ProxyCommand nc %h %p\n",
    ),
    Case(
        "a command before a jump",
        'Host gpu01\n  ProxyCommand nc -X 5 "%h" %p # all\n  ProxyJump gate\n',
    ),
    Case("a jump before a command", "Host gpu01\n  ProxyJump gate\n  ProxyCommand nc %h %p\n"),
    Case("no command for one", "Host gpu01\n  ProxyCommand none\nHost *\n  ProxyJump gate\n"),
    Case(
        "included files in their order",
        "Include {folder}/parts/*.conf\nHost gpu01\n  Port 3\n",
        files={
            "parts/20-b.conf": "Host gpu01\n  User bob\n  Port 2\n",
            "parts/10-a.conf": "Host gpu01\n  User ann\n",
            "parts/.hidden.conf": "User nobody\n",
            "parts/note.txt": "not read\n",
        },
    ),
    Case(
        "an inclusion for some",
        "Host gpu02\n  Include {folder}/two\nHost gpu01\n  Include {folder}/one {folder}/none\n"
        "  Port 8\n",
        files={"one": "User ann\nHost gpu02\n  Port 9\n", "two": "Host gpu01\n  User bob\n"},
    ),
    Case(
        "an inclusion in an inclusion",
        'Include "{folder}/a b"\n',
        files={"a b": "Include {folder}/c\nUser ann\n", "c": "Host gpu01\n  Port 44\n"},
    ),
    Case(
        "match by several criteria",
        "Match host gpu* user root,ann\n  Port 1\nMatch originalhost gpu01 !user bob\n  Port 2\n"
        "Match !host gpu01\n  User carl\n",
    ),
    Case(
        "match a host behind its alias",
        "Host gpu01\n  HostName login.example.org\nMatch host *.example.org,!bad.example.org\n"
        "  User ann\nMatch originalhost gpu01\n  Port 9\nMatch all\n  Compression yes\n",
    ),
    Case(
        "match by a command with tokens",
        'Match exec "test %h = 10.9.8.7"\n  Port 1\nHost gpu01\n  HostName 10.9.8.7\n  User ann\n'
        'Match exec "test %h,%n,%r,%p = 10.9.8.7,gpu01,ann,22"\n  Compression yes\n'
        'Match host nowhere exec "touch {folder}/never"\n  User bob\n',
    ),
    Case(
        "match with a negated command", "Match !exec false\n  Port 1\nMatch exec false\n  User a\n"
    ),
    Case(
        "match in a final pass",
        "Host gpu01\n  HostName gpu01.example.org\n  IdentityFile ~/.ssh/one\n  SendEnv ONE\n"
        "Match final host *.example.org\n  User ann\nHost *.example.org\n  Port 77\n"
        "Match canonical\n  Compression yes\n",
    ),
    Case("match canonical alone", "Match canonical\n  User ann\nMatch !canonical\n  Port 5\n"),
    Case(
        "canonical names",
        "CanonicalizeHostname yes\nCanonicalDomains invalid\nHost gpu01\n  Port 5\n",
        refused="config line 1: host names are made canonical by OpenSSH only",
    ),
    Case("no canonical names", "CanonicalizeHostname no\nCanonicalDomains example.org\n"),
    Case("tags", "Tag big\nMatch tagged big\n  User ann\n", newer=True),
    Case(
        "match by network", "Match localnetwork 10.0.0.0/8\n  User ann\n", refused="config line 1: "
    ),
    Case("no such criterion", "Match weather rainy\n  User ann\n", refused="config line 1: "),
    Case(
        "variables, homes and folders",
        "Host gpu01\n  IdentityFile ${JRT_FOLDER}/id\n  IdentityFile %d/.ssh/%h_%r\n"
        "  CertificateFile ~/.ssh/%n-cert.pub\n  UserKnownHostsFile ${JRT_FOLDER}/%k %d/known\n"
        "  IdentityAgent ${JRT_FOLDER}/agent\n  ControlPath ~/c/%C\n",
    ),
    Case("an agent by its variable", "IdentityAgent $JRT_AGENT\n"),
    Case(
        "environment",
        'SetEnv A=b "C=d e" X=it\'s\n',
        refused="config line 1: a quote is not closed",
    ),
    Case(
        "environments",
        'SetEnv A=b "C=d e" X=it\\\'s\nSetEnv LATER=no\nSendEnv LANG LC_*\nSendEnv -LANG FOO\n',
    ),
    Case(
        "forwards",
        "Host gpu01\n  LocalForward 5006 localhost:5006\n  LocalForward [::1]:99 [fe80::1]:80\n"
        "  LocalForward *:98 db.internal:80\n  LocalForward 5006 localhost:5006\n"
        "  RemoteForward 8888 localhost:8888\n  RemoteForward 1080\n"
        "  RemoteForward /run/a.sock localhost:80\n  DynamicForward 1081\n"
        "  DynamicForward localhost:1082\n  LocalForward 97 /run/b.sock\n",
    ),
    Case(
        "cleared forwards",
        "ClearAllForwardings yes\nLocalForward 5006 localhost:5006\nExitOnForwardFailure yes\n",
    ),
    Case(
        "logging in",
        "PreferredAuthentications keyboard-interactive,publickey\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPubkeyAuthentication unbound\n"
        "NumberOfPasswordPrompts 1\nIdentitiesOnly yes\nPKCS11Provider /usr/lib/token.so\n",
    ),
    Case(
        "the connection",
        "RekeyLimit 1G 1h\nIPQoS af21 cs1\nTCPKeepAlive no\nForwardAgent yes\nAddressFamily inet6\n"
        "BindAddress ::1\nCompression yes\nBatchMode no\n",
    ),
    Case(
        "more of the connection", "RekeyLimit default none\nIPQoS 0x28\nForwardAgent $JRT_AGENT\n"
    ),
    Case(
        "host keys",
        "StrictHostKeyChecking off\nHashKnownHosts yes\nHostKeyAlias Cluster\n"
        "GlobalKnownHostsFile none\nRevokedHostKeys {folder}/revoked\nVerifyHostKeyDNS ask\n"
        "UpdateHostKeys ask\nNoHostAuthenticationForLocalhost yes\nCheckHostIP no\n",
        files={"revoked": ""},
    ),
    Case("new host keys", "StrictHostKeyChecking accept-new\nUserKnownHostsFile ~/a ~/b\n"),
    Case(
        "terminals and sockets",
        "ControlMaster auto\nControlPath none\nControlPersist yes\nRequestTTY force\n"
        "EscapeChar ^b\nTunnel yes\nLogLevel debug1\nSyslogFacility local1\n"
        "LocalCommand echo 'a  b'\nStreamLocalBindMask 0022\nAddKeysToAgent confirm 5m\n"
        "SessionType none\nGatewayPorts yes\n",
    ),
    Case(
        "passed over by name",
        "IgnoreUnknown UseKeychain,Foo*\nUseKeychain yes\nFooBar 1 2 3\nUser ann\n",
    ),
    Case("an unknown keyword", "Host other\n  UseKeychain yes\n", refused="config line 2: "),
    Case("a value too much", "Host gpu01\n  User ann bob\n", refused="config line 2: "),
    Case("a value too few", "Host gpu01\n  User\n", refused="config line 2: "),
    Case("no number", "Port many\n", refused="config line 1: "),
    Case("no time at all", "ConnectTimeout soon\n", refused="config line 1: "),
    Case("no flag", "Host other\n  Compression perhaps\n", refused="config line 2: "),
    Case(
        "an error in an included file",
        "Include {folder}/more\n",
        files={"more": "Host gpu01\n\n  Ciphers no-such-cipher\n"},
        refused="more line 3: ",
    ),
    Case("what was once", "Protocol 2\nRSAAuthentication yes\nUsePrivilegedPort no\nUser ann\n"),
)
