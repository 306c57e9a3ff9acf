"""SSH servers that ask what no sshd asks: several things at once, a new password."""

import asyncio
from typing import Any

import asyncssh
from typing_extensions import override

from tests.support.lying_host import Liar


class Curious(Liar):
    """Asks what a test wants, by keyboard-interactive."""

    def __init__(self, *challenges: tuple[str, str, list[tuple[str, bool]]]) -> None:
        self.challenges = list(challenges)
        self.answers: list[list[str]] = []

    @override
    def begin_auth(self, username: str) -> bool:
        return True

    @override
    def password_auth_supported(self) -> bool:
        return False

    @override
    def public_key_auth_supported(self) -> bool:
        return False

    @override
    def kbdint_auth_supported(self) -> bool:
        return True

    @override
    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return self._next()

    @override
    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        self.answers.append(list(responses))
        return self._next() if self.challenges else True

    def _next(self) -> tuple[str, str, str, list[tuple[str, bool]]]:
        name, instruction, prompts = self.challenges.pop(0)
        return name, instruction, "", prompts


class Pushing(Curious):
    """Sends a request to somebody's phone, `says` so, and lets in who taps on it there."""

    def __init__(self, says: str) -> None:
        super().__init__(("", says, []))
        self._tapped = asyncio.Event()

    def tap(self) -> None:
        """Tap, from any thread."""
        self.connection._loop.call_soon_threadsafe(self._tapped.set)

    @override
    async def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        return await self._tapped.wait()


class Renewing(Liar):
    """Wants a new password, by the method `password` itself, which sshd never does."""

    changed = ""

    @override
    def begin_auth(self, username: str) -> bool:
        return True

    @override
    def password_auth_supported(self) -> bool:
        return True

    @override
    def public_key_auth_supported(self) -> bool:
        return False

    @override
    def kbdint_auth_supported(self) -> bool:
        return False

    @override
    def validate_password(self, username: str, password: str) -> bool:
        raise asyncssh.PasswordChangeRequired("It is \033[1mold.\nTake another.")

    @override
    def change_password(self, username: str, old_password: str, new_password: str) -> bool:
        if len(new_password) < 5:
            raise asyncssh.PasswordChangeRequired("Too short.")
        self.changed = f"{old_password} → {new_password}"
        return True
