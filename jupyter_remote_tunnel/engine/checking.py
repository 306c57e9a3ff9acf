"""JSON from outside, checked against the dataclasses of `messages` and made into one of them.

msgspec does the work; what it lets pass in a dataclass, a field that nobody knows, is refused here:
a misspelt option must not be ignored.
"""

from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from ..model.errors import BadInput
from ..model.text import plain

T = TypeVar("T")


def read(kind: type[T], data: object, what: str) -> T:
    """`data` (plain JSON) as a `kind`.

    :param what: how the error calls it, e.g. "tunnels.open" or "the body".
    :raises BadInput: a field is missing, unknown, or of another type; the message names it.
    """
    _refuse_unknown(kind, data, "$", what)
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise BadInput(f"{what}: {plain(str(error), 300)}.") from None


def _refuse_unknown(kind: Any, data: object, path: str, what: str) -> None:
    if is_dataclass(kind) and isinstance(data, dict):
        hints = get_type_hints(kind)
        known = [field.name for field in fields(kind)]
        for key, value in data.items():
            if key not in known:
                raise BadInput(
                    f"{what}: there is no field “{plain(str(key), 60)}” in {path}.",
                    hint=f"Known are: {', '.join(known)}.",
                )
            _refuse_unknown(hints[key], value, f"{path}.{key}", what)
        return
    # Containers and unions: whichever member is a dataclass decides.
    for member in get_args(kind):
        values = data if isinstance(data, list) else [data]
        for value in values:
            _refuse_unknown(member, value, path, what)
