"""Writes src/api.ts: TypeScript types made from the dataclasses of REST bodies.

Run it with `make types` after a change there; a test compares the file with what this would write.
"""

import inspect
from pathlib import Path
from typing import Any

import msgspec

from jupyter_remote_tunnel.engine.messages import (
    HostList,
    OneTunnel,
    OpenedTunnel,
    PromptList,
    TunnelList,
)
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.model.state import State
from jupyter_remote_tunnel.server.bodies import (
    ApplicationList,
    ChangeRequest,
    Diagnosis,
    DoctorLine,
    DoctorRequest,
    JupyterHost,
    JupyterList,
    JupyterPassword,
    JupyterPasswordSet,
    JupyterRequest,
    JupyterStart,
    JupyterStop,
    JupyterStopped,
    OneChange,
    OnePublication,
    OpenedJupyter,
    PasswordFile,
    PasswordRequest,
    PeriodRequest,
    Problem,
    PromptAnswer,
    PublicationList,
    PublishLine,
    PublishRequest,
)

HEADER = """\
// Made by make_types.py from the dataclasses of jupyter_remote_tunnel. Do not edit.
"""
TARGET = Path(__file__).parent / "src" / "api.ts"
# The server fills in what a request leaves out; what it sends itself is always complete.
REQUESTS = frozenset(
    {
        "TunnelRequest",
        "ChangeRequest",
        "SshOptions",
        "PromptAnswer",
        "DoctorRequest",
        "JupyterHost",
        "JupyterPassword",
        "JupyterRequest",
        "JupyterStart",
        "JupyterStop",
        "PublishRequest",
        "PeriodRequest",
    }
)
PRIMITIVES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def type_of(schema: dict[str, Any]) -> str:
    """The TypeScript type of a JSON Schema as msgspec writes it."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(f"'{value}'" for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(type_of(item) for item in schema["anyOf"])
    if schema["type"] == "array":
        item = type_of(schema["items"])
        return f"({item})[]" if " " in item else f"{item}[]"
    return PRIMITIVES[schema["type"]]


def interface(name: str, schema: dict[str, Any]) -> str:
    """An exported interface, with the docstring of its dataclass."""
    always = schema["required"] if name in REQUESTS else schema["properties"]
    lines = [*comment(schema.get("description")), f"export interface {name} {{"]
    for field, field_schema in schema["properties"].items():
        optional = "" if field in always else "?"
        lines.append(f"  {field}{optional}: {type_of(field_schema)};")
    return "\n".join([*lines, "}", ""])


def comment(docstring: str | None) -> list[str]:
    """The lines of a JSDoc comment; Python's line breaks stay."""
    if not docstring:
        return []
    return [
        "/**",
        *(f" * {line}".rstrip() for line in inspect.cleandoc(docstring).splitlines()),
        " */",
    ]


def render() -> str:
    """The whole file."""
    roots = (
        *(TunnelList, OpenedTunnel, OneTunnel, TunnelRequest),
        *(ApplicationList, HostList, PromptList, PromptAnswer, Problem),
        *(DoctorRequest, Diagnosis, DoctorLine),
        *(JupyterHost, JupyterList, JupyterRequest, OpenedJupyter),
        *(JupyterStart, JupyterStop, JupyterStopped, JupyterPassword, JupyterPasswordSet),
        *(PublishRequest, PublishLine, PublicationList, OnePublication),
        *(PeriodRequest, PasswordRequest, PasswordFile, ChangeRequest, OneChange),
    )
    _, components = msgspec.json.schema_components(roots, ref_template="#/{name}")
    states = [*comment(State.__doc__), "export type State ="]
    states += [f"  | '{state}'" for state in State]
    interfaces = [interface(name, schema) for name, schema in sorted(components.items())]
    return "\n".join([HEADER, "\n".join(states) + ";\n", *interfaces])


if __name__ == "__main__":
    TARGET.write_text(render())
