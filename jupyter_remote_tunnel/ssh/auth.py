"""How we log in: with the keys of the agent and the identity files, in ssh's order, then by what a
person answers.

`Login` offers one key after another, notes what became of each and what else the host takes, so
that a refusal can say what to do. What is asked, and how often, is the business of `interview`."""

import asyncio
import shlex
from collections.abc import AsyncGenerator, Iterable, Sequence
from functools import partial

import asyncssh

from ..model.errors import Fatal, NeedsUser, RemoteTunnelError
from .algorithms import may_be_offered
from .errors import NOBODY_ASKED
from .files import Files, exists
from .hop import Hop
from .identity_files import (
    Keyring,
    LockedKey,
    PublicParts,
    certificate_in,
    certified,
    content_of,
    is_locked,
    key_pair,
    public_parts,
    unlocked,
)
from .interview import Interview
from .tokens import Tokens
from .watching import Watcher

# What ssh-copy-id has no letter for.
_KEYWORDS = {"-J": "ProxyJump", "-b": "BindAddress", "-c": "Ciphers", "-m": "MACs"}
_FLAGS = {"-4": "AddressFamily=inet", "-6": "AddressFamily=inet6", "-C": "Compression=yes"}

_PASSPHRASE, _PIN = "passphrase", "PIN"

_Offer = tuple[asyncssh.SSHKeyPair, str | None]
"""What the host may be shown, with the path of its file or of the token's provider; None: it is the
agent's."""


class Login:
    """One attempt to log in to a hop. `close` when the attempt is over, whatever became of it."""

    def __init__(
        self, hop: Hop, files: Files, interview: Interview, keyring: Keyring, watcher: Watcher
    ) -> None:
        self._hop = hop
        self._files = files
        self._interview = interview
        self._keyring = keyring
        self._watcher = watcher
        self._loaded: dict[str, list[asyncssh.SSHKeyPair]] = {}
        self._opened: dict[str, asyncssh.SSHKey] = {}
        self._agent: asyncssh.SSHAgentClient | None = None
        self._agent_fault = ""
        self._offered: list[bytes] = []
        self._locked: dict[str, str] = {}  # what has a secret that was not given: and which
        self._unreadable: list[str] = []
        self._untouched = False
        self._asks: set[str] = set()
        self._takes_keys = False
        self._keys = self._all_keys()

    async def next_keys(self) -> list[asyncssh.SSHKeyPair] | None:
        """What to offer next, None when there is nothing left, or the person has given up. Asked
        for by a host that takes keys."""
        self._takes_keys = True
        async for key, path in self._keys:
            if self._interview.refusal is not None:
                return None
            if key.public_data not in self._offered and may_be_offered(key, self._hop):
                self._offered.append(key.public_data)
                self._watcher.offered(key, None if path is None else self._hop.shown(path))
                return [key]
        return None

    async def password(self) -> str | None:
        """The host takes a password: what to send, None for nothing (more)."""
        self._asks.add("password")
        self._watcher.tried("password")
        return await self._interview.password()

    def begin_round(self) -> bool:
        """The host takes answers to what it likes to ask: whether to let it, once more."""
        self._asks.add("keyboard-interactive")
        self._watcher.tried("keyboard-interactive")
        return self._interview.begin_round()

    def touch(self) -> None:
        """A security key is about to wait for a touch.

        :raises ValueError: nobody is there to touch it. It would blink at each try to reconnect.
        """
        if not self._interview.possible:
            self._untouched = True
            self._watcher.passed_over("A security key", "nobody is there to touch it")
            raise ValueError("nobody is there")
        self._interview.touch()

    async def close(self) -> None:
        """Let go of the agent."""
        await self._interview.over()
        await self._keys.aclose()
        if self._agent is not None:
            self._agent.close()
            await self._agent.wait_closed()

    async def _all_keys(self) -> AsyncGenerator[_Offer, None]:
        """In ssh's order: certificates that the configuration names, keys of the agent that it
        names, other agent keys, those of a token and the identity files. Some come again."""
        hop, look_at = self._hop, self._files.look_at
        parts = {path: await look_at(path, public_parts) for path in hop.identities}
        read = [await look_at(path, certificate_in) for path in hop.certificates]
        certificates = [certificate for certificate in read if certificate is not None]
        from_agent = self._permitted(await self._agent_keys(), parts.values())
        for certificate in certificates:
            paths = [path for path in parts if parts[path].key == certificate.key]
            of_files = [(key, path) for path in paths for key in await self._load(path)]
            for key, source in (*((key, None) for key in from_agent), *of_files):
                for shown in certified(key, certificate):
                    yield shown, source
        for key in from_agent:
            yield key, None
        for key in await self._token_keys():
            for shown in _shown(key, certificates):
                yield shown, hop.pkcs11_provider
        for path, (half, beside) in parts.items():
            in_agent = [key for key in from_agent if half and key.public_data == half.public_data]
            for key in await self._load(path) or in_agent:
                for shown in _shown(key, certificates, None if hop.certificates else beside):
                    yield shown, path

    def _permitted(
        self, keys: Sequence[asyncssh.SSHKeyPair], parts: Iterable[PublicParts]
    ) -> list[asyncssh.SSHKeyPair]:
        """Those of the agent's keys and certificates that may be tried, the ones that belong to an
        identity file first."""
        known = {part.public_data for both in parts for part in both if part is not None}
        named = [key for key in keys if key.public_data in known]
        others = [key for key in keys if key.public_data not in known]
        if not self._hop.identities_only:
            return [*named, *others]
        for _ in others:
            self._watcher.passed_over("Another key of the agent", "IdentitiesOnly is “yes”")
        return named

    async def _agent_keys(self) -> list[asyncssh.SSHKeyPair]:
        if self._hop.agent is None:
            self._watcher.passed_over("A key of an agent", "there is no agent")
            return []
        # To connect to a socket on a drive that is gone would hold up the loop.
        await self._files.look_at(self._hop.agent, exists)
        try:
            self._agent = await asyncssh.connect_agent(self._hop.agent)
            return list(await self._agent.get_keys())
        except (OSError, ValueError) as error:
            self._agent_fault = str(error)
            shown = self._hop.shown(self._hop.agent)
            self._watcher.passed_over(f"The agent at {shown}", "it does not answer")
            return []

    async def _token_keys(self) -> list[asyncssh.SSHKeyPair]:
        provider = self._hop.pkcs11_provider
        if provider is None:
            return []
        tokens = Tokens(provider, self._files, self._interview)
        try:
            found = await tokens.keys()
        except OSError:
            return self._cannot_read(provider)
        return self._stays_locked(provider, _PIN) if tokens.locked else found

    async def _load(self, path: str) -> list[asyncssh.SSHKeyPair]:
        """The key of a file. One that is not there, or cannot be read, is passed over."""
        if path not in self._loaded:
            self._loaded[path] = await self._read(path)
        return self._loaded[path]

    async def _read(self, path: str) -> list[asyncssh.SSHKeyPair]:
        try:
            found = await self._files.look_at(path, key_pair)
        except asyncssh.KeyImportError as error:
            return await self._locked_key(path) if is_locked(error) else self._cannot_read(path)
        except (OSError, ValueError):
            return self._cannot_read(path)
        if found is None:
            self._watcher.passed_over(self._hop.shown(path), "it is not there")
            return []
        return [found]

    def _cannot_read(self, path: str) -> list[asyncssh.SSHKeyPair]:
        shown = self._hop.shown(path)
        self._unreadable.append(shown)
        self._watcher.passed_over(shown, "it cannot be read")
        return []

    def _stays_locked(self, path: str, secret: str) -> list[asyncssh.SSHKeyPair]:
        shown = self._hop.shown(path)
        self._locked[shown] = secret
        self._watcher.passed_over(shown, f"it has a {secret}, which was not given")
        return []

    async def _locked_key(self, path: str) -> list[asyncssh.SSHKeyPair]:
        """A key under a passphrase: nobody is asked for that before the host takes the key, unless
        its public half is under it too."""
        try:
            content = await self._files.look_at(path, content_of)
        except OSError:
            return self._cannot_read(path)
        key = self._keyring.key(path, content)
        if key is None and not self._interview.possible:
            return self._stays_locked(path, _PASSPHRASE)
        unlock = partial(self._unlock, path, content)
        public = key or (await self._files.look_at(path, public_parts)).key or await unlock()
        return [] if public is None else [LockedKey(public, unlock)]

    async def _unlock(self, path: str, content: bytes) -> asyncssh.SSHKey | None:
        """The key of a file; None if the person has no passphrase that opens it."""
        shown = self._hop.shown(path)
        if shown in self._locked:
            return None
        key = self._opened.get(path) or self._keyring.key(path, content)
        tries = 0
        while key is None and tries < self._hop.password_prompts:
            tries += 1
            answer = await self._interview.passphrase(shown, tries)
            if answer is None or answer.answers == ("",):
                break  # as with ssh: an empty one is for going on without this key
            # It takes a while by design.
            key = await asyncio.to_thread(unlocked, content, answer.answers[0])
            if key is not None and answer.remember:
                self._keyring.keep(path, key, content)
        if key is None:
            self._stays_locked(path, _PASSPHRASE)
        else:
            self._opened[path] = key
        return key

    def error(self) -> RemoteTunnelError:
        """Why the host did not let us in."""
        if self._interview.refusal is not None:
            return self._interview.refusal
        wants_person = self._asks or self._locked or self._untouched
        if not self._interview.possible and wants_person:
            return self._unasked()
        hop = self._hop
        if self._interview.judged:
            what = f"did not let {hop.user} in with what was answered."
        else:
            what = f"let none of your keys in as {hop.user} ({self._tried()})."
        return Fatal(
            f"{hop.place} {what}",
            code="auth_failed",
            hint=f"Is the user name right? Does “{shlex.join(hop.command)}” work in a terminal?",
            hop=hop.place,
        )

    def _unasked(self) -> NeedsUser:
        """A person could have got further."""
        hop = self._hop
        keys = f"let none of your keys in ({self._tried()})"
        would_ask = f"would ask {hop.user} for a password"
        if self._asks != {"password"}:
            would_ask += " or code"
        hints = [NOBODY_ASKED]
        if "publickey" not in hop.methods:
            keys = "is offered no keys by your ssh configuration (PubkeyAuthentication),"
        elif not self._takes_keys:
            keys = "accepts no keys,"
            hints.append(
                f"Or have keys allowed: PubkeyAuthentication in the sshd of {hop.alias} decides "
                "that."
            )
        for path, secret in (*self._locked.items(),)[:1]:
            add = "ssh-add -s" if secret == _PIN else "ssh-add"
            hints.append(f"Or give the key to your agent: {add} {path} .")
        if self._asks and self._takes_keys:
            copy = shlex.join(_copy_id(hop.command))
            hints.append(f"Or have your public key added there: {copy}")
        what = f"{keys} and {would_ask}" if self._asks else keys
        return NeedsUser(f"{hop.place} {what}.", hint=" ".join(hints), hop=hop.place)

    def _tried(self) -> str:
        offered = len(self._offered)
        parts = [f"{offered} tried" if offered else "none to try"]
        parts += [f"{path} has a {secret}" for path, secret in self._locked.items()]
        parts += [f"{path} cannot be read" for path in self._unreadable]
        if self._untouched:
            parts.append("a security key has to be touched")
        if self._hop.agent is None:
            parts.append("no agent")
        elif self._agent_fault:
            parts.append(f"the agent at {self._hop.shown(self._hop.agent)} does not answer")
        return ", ".join(parts)


def _shown(
    key: asyncssh.SSHKeyPair,
    certificates: Iterable[asyncssh.SSHCertificate],
    beside: asyncssh.SSHCertificate | None = None,
) -> list[asyncssh.SSHKeyPair]:
    """A key as it is shown: with the certificates that the configuration names, bare, and with the
    one beside its file."""
    before = [shown for certificate in certificates for shown in certified(key, certificate)]
    return [*before, key, *certified(key, beside)]


def _copy_id(command: Sequence[str]) -> list[str]:
    """The `ssh-copy-id` that reaches the host as a command of ssh does. It knows -p, -F, -o and one
    -i, whose public half it copies."""
    words = ["ssh-copy-id"]
    rest = iter(command[1:])
    for word in rest:
        if word in _FLAGS:
            words += ["-o", _FLAGS[word]]
        elif word in _KEYWORDS or (word == "-i" and word in words):
            words += ["-o", f"{_KEYWORDS.get(word, 'IdentityFile')}={next(rest)}"]
        else:
            words += [word, next(rest)] if word.startswith("-") else [word]
    return words
