"""What only this process can answer to a probe: the name of a probe stands in its URL, and whoever
gives that back would be taken for us.
"""

import hmac
import secrets

_KEY = secrets.token_bytes(32)


def proof(nonce: str) -> str:
    """What the answer to the probe of that name has to hold."""
    return hmac.digest(_KEY, nonce.encode(), "sha256").hex()
