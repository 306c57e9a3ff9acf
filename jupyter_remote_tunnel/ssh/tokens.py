"""The keys of a PKCS#11 token, by asyncssh's extra of that name."""

from functools import partial
from importlib import import_module

import asyncssh
from asyncssh.pkcs11 import load_pkcs11_keys

from .files import Files
from .interview import Interview

# A token locks itself after a few wrong ones: ssh, too, asks once.
_TRIES = 1


class Tokens:
    """The tokens behind one provider, a shared library that runs in this process. `locked` is
    whether there is one whose keys nobody has seen, for want of a PIN."""

    locked = False

    def __init__(self, provider: str, files: Files, interview: Interview) -> None:
        self._provider = provider
        self._files = files
        self._interview = interview

    async def keys(self) -> list[asyncssh.SSHKeyPair]:
        """The keys that can be used: without a PIN, else with the one that the person types.

        :raises OSError: the provider is none, or the PIN was wrong.
        """
        found, is_there = await self._load(None)
        if found or not is_there:
            return found
        answer = None
        if self._interview.possible:
            answer = await self._interview.passphrase(self._provider, _TRIES)
        if answer is None or answer.answers == ("",):
            self.locked = True
            return []
        found, _ = await self._load(answer.answers[0])
        return found

    async def _load(self, pin: str | None) -> tuple[list[asyncssh.SSHKeyPair], bool]:
        return await self._files.look_at(self._provider, partial(_keys, pin=pin))


def _keys(provider: str, pin: str | None) -> tuple[list[asyncssh.SSHKeyPair], bool]:
    """The keys of every token that was ever initialized, and whether there is one. asyncssh would
    stop at one that was not, of which a provider may have a spare one."""
    extra = import_module("pkcs11")
    try:
        tokens = [
            token
            for token in extra.lib(provider).get_tokens()
            if token.flags & extra.TokenFlag.TOKEN_INITIALIZED
        ]
        found: list[asyncssh.SSHKeyPair] = [
            key
            for token in tokens
            for key in load_pkcs11_keys(provider, pin, load_certs=False, token_serial=token.serial)
        ]
    except Exception as error:  # noqa: BLE001 (the extra's own, which are not there without it)
        # Without its words, which may hold the PIN.
        raise OSError(type(error).__name__) from None
    return found, bool(tokens)
