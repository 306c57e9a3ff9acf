"""Fuzzing: what programs stumble over, and valid input with a few things wrong.

Input that is wrong all through is refused at the first look; what is valid but for one or two
places goes deep. So `mutated_json` and `mutated_bytes` start from something valid. How many
examples a test tries follows from hypothesis's profile (`tests/conftest.py`): `share` gives a test
whose examples are dear its part of them.
"""

import contextlib
import copy
import time
from collections.abc import Iterator, Sequence
from typing import Any

import hypothesis
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.errors import RemoteTunnelError

#: Texts that are no name, no number, no line, or not even Unicode.
AWKWARD = [
    "",
    " ",
    "\0",
    "\n",
    "a\r\nb: c",
    "\x1b]0;owned\x07",
    "\u202eltr",
    "\ud800",
    "\udcff",
    "\u2028",
    "\x85",
    "\U0010ffff",
    "e\u0301" * 20,
    "%s%n%00",
    "../../etc/passwd",
    "-oProxyCommand=x",
    "$(id)",
    "x" * 5000,
    "9" * 5000,
    "[" * 2000,
]
texts = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(max_size=30),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zs"]), max_size=5),
)

_NUMBERS = [0, -1, 1, 65536, 2**31, 2**53, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308]
_NOT_FINITE = [float("nan"), float("inf"), float("-inf")]
scalars = st.one_of(
    st.none(), st.booleans(), st.sampled_from([*_NUMBERS, *_NOT_FINITE]), st.integers(), texts
)


def _deep(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


json_values = st.one_of(
    scalars,
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from([20, 500]).map(_deep),
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in it."""
    if isinstance(value, dict):
        inner: Sequence[Any] = list(value)
    elif isinstance(value, list):
        inner = range(len(value))
    else:
        return []
    found = [(value, key) for key in inner]
    for key in inner:
        found += _places(value[key])
    return found


@st.composite
def mutated_json(draw: st.DrawFn, valid: Any, most: int = 3) -> Any:
    """`valid` (lists and dictionaries) with at most `most` places altered."""
    holder = [copy.deepcopy(valid)]
    for _ in range(draw(st.integers(0, most))):
        places = _places(holder)
        container, key = draw(st.sampled_from(places))
        old = container[key]
        match draw(st.sampled_from(["replace", "drop", "add", "wrap", "text"])):
            case "drop" if container is not holder:
                del container[key]
            case "add" if isinstance(container, dict):
                container[draw(texts)] = draw(json_values)
            case "add":
                container.append(copy.deepcopy(old))
            case "wrap":
                container[key] = [old]
            case "text" if isinstance(old, str):
                container[key] = draw(mutated_text(old))
            case _:
                container[key] = draw(json_values)
    return holder[0]


@st.composite
def mutated_text(draw: st.DrawFn, valid: str) -> str:
    """`valid` with a slice of it cut out, doubled, or replaced."""
    start = draw(st.integers(0, len(valid)))
    end = draw(st.integers(start, len(valid)))
    middle = draw(st.sampled_from(["", valid[start:end] * 2]) | texts)
    return valid[:start] + middle + valid[end:]


@st.composite
def mutated_bytes(draw: st.DrawFn, valid: bytes, most: int = 3) -> bytes:
    """`valid` with at most `most` slices of it cut out, doubled, or replaced."""
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(valid)))
        end = draw(st.integers(start, min(len(valid), start + 20)))
        middle = draw(st.sampled_from([b"", valid[start:end] * 2]) | st.binary(max_size=8))
        valid = valid[:start] + middle + valid[end:]
    return valid


def share(part: float = 1.0) -> hypothesis.settings:
    """Settings of a test that tries `part` of the profile's examples."""
    return hypothesis.settings(
        max_examples=max(1, round(hypothesis.settings().max_examples * part)),
        # What a test starts serves all of its examples: that they come upon each other's is meant.
        suppress_health_check=[
            hypothesis.HealthCheck.function_scoped_fixture,
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.data_too_large,
        ],
    )


@contextlib.contextmanager
def soon(seconds: float = 2.0) -> Iterator[None]:
    """What is done in it takes this process fewer `seconds` of computing."""
    before = time.process_time()
    yield
    assert time.process_time() - before < seconds


def assert_for_people(error: RemoteTunnelError) -> None:
    """It says what is wrong in sentences, and nothing in them does anything to a terminal."""
    assert error.message.endswith((".", "?", "!")), error.message
    assert not error.hint or error.hint[-1].isprintable(), error.hint
    for line in error.complaint().split("\n"):
        assert line.replace("\u00a0", " ").isprintable(), line
