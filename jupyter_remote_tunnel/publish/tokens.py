"""Whether a token can be guessed."""

from ..model.publication import Check

SHORTEST = 24
"""Characters. Those that Jupyter makes have 48, of 16 kinds."""

_FEWEST_KINDS = 8


def check_token(token: str) -> Check:
    """What is thought of a token that lets in; it is not said."""
    if len(token) < SHORTEST or len(set(token)) < _FEWEST_KINDS:
        return Check(
            "token",
            "failed",
            f"The token can be guessed: it has {len(token)} characters, {len(set(token))} of them"
            " different.",
            advice="Without one Jupyter makes a good one, or asks for a password alone.",
        )
    return Check("token", "ok", f"The token lets in, and has {len(token)} characters.")
