"""The description of the REST interface (OpenAPI 3.1), made from the routes and their dataclasses.

`scripts/generate_api.py` writes it to `docs/openapi.json`; tests hold it against a running server.
"""

import inspect
import re
from http import HTTPStatus
from typing import Any

import msgspec

from .._version import __version__
from . import bodies
from .handlers import LINES, STATUS_OF, Handler, Operation
from .routes import MAX_DRAIN, PREFIX, ROUTES

_REF = "#/components/schemas/{name}"
# What any request can meet, those about a tunnel or a host, and those with a body.
_ALWAYS = {400, 403, 503}
_TUNNEL = {404, 409, 501, 502, 504}
_PROMPT = {404}
# Ask a host, and open no tunnel.
_HOSTS = {"doctor", "jupyters/list", "jupyters/password", "jupyters/stop"}
_BODY = {413}
_PUBLISH = {409, 501, 502, 504}

_NAMED = re.compile("{(.*)}")
_PARAMETERS = {
    "tunnel": "Its id or name.",
    "prompt": "Its id.",
    "publication": "Its id or name.",
}


_ABOUT = """\
SSH tunnels of a Jupyter server. Every request needs Jupyter's login.

What a host wants to know before it lets somebody in (whether its key is right, a password, a code)
is asked of the login whose request needs it. That request is answered when the connection is there
or has failed; meanwhile `GET /prompts` lists the question, `POST /prompts/{prompt}` answers it, and
`DELETE /prompts/{prompt}` gives up, which ends the request with the code `needs_user`. A program
that sends Jupyter's token has to keep the cookie that it is given, too: without it each of its
requests is a login of its own, and none may answer what another is asked. An event with the id of a
tunnel or of a question tells when to look again."""

_EXAMPLES = {
    "TunnelRequest": [
        {"host": "ann@gpu01", "forwards": ["-L 5006:localhost:5006"], "name": "bokeh"},
        {"host": "gpu01", "forwards": ["-L 0:localhost:5006", "-D 0"], "on_conflict": "pick"},
        {"command": "ssh -NfL 5006:localhost:5006 gpu01"},
    ],
    "ApplicationRequest": [{"host": "gpu01", "destination": "localhost:5006"}],
    "JupyterRequest": [{"host": "ann@gpu01"}, {"host": "gpu01", "destination": "8888"}],
    "JupyterHost": [{"host": "ann@gpu01"}],
    "JupyterPassword": [{"host": "ann@gpu01", "password": "correct horse battery staple"}],
    "JupyterStart": [{"host": "ann@gpu01"}, {"host": "gpu01", "keep": True, "folder": "~/work"}],
    "JupyterStop": [{"host": "ann@gpu01"}, {"host": "gpu01", "destination": "8888"}],
    "KernelRequest": [{"host": "gpu01", "file": "kernel-4711.json"}],
    "DoctorRequest": [{"host": "ann@gpu01"}],
    "PublishRequest": [{"gateway": "ann@gw", "name": "jupyter.example.org"}],
    "PasswordRequest": [{"password": "correct horse battery staple"}],
    "ChangeRequest": [{"setting": "ServerApp.allow_origin", "seen": "9f86d081884c7d65"}],
    "PeriodRequest": [{"hours": 2}],
    "PromptAnswer": [{"remember": True}, {"answers": ["correct horse battery staple"]}],
}


def describe() -> dict[str, Any]:
    """The whole description, as plain JSON."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jupyter_remote_tunnel",
            "version": __version__,
            "license": {"name": "BSD-3-Clause"},
            "description": _ABOUT,
        },
        "servers": [{"url": "/" + PREFIX.rstrip("/"), "description": "below Jupyter's base_url"}],
        "security": [{"token": []}],
        "paths": {f"/{path}": _path(path, handler) for path, handler in ROUTES.items()},
        "components": {
            "schemas": _schemas(),
            "responses": {
                str(status): _failure(status) for status in sorted(_ALWAYS | _TUNNEL | _BODY)
            },
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization"}
            },
        },
    }


def _path(path: str, handler: type[Handler]) -> dict[str, Any]:
    described: dict[str, Any] = {
        method: _operation(path, handler, method, found)
        for method, found in handler.operations().items()
    }
    if (named := _NAMED.search(path)) is not None:
        text = _PARAMETERS[named[1]]
        described["parameters"] = [
            _parameter("path", named[1], text, {"type": "string", "minLength": 1})
        ]
    return described


def _operation(path: str, handler: type[Handler], method: str, found: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{method}{handler.__name__}",
        "summary": found.summary,
        "description": f"Needs the permission to {found.action} on the resource remote_tunnel.",
        "responses": _responses(path, found),
    }
    if found.body is not None:
        described["requestBody"] = {"required": True, "content": _content(found.body)}
    if path == "tunnels/{tunnel}" and method == "delete":
        seconds = {"type": "number", "minimum": 0, "maximum": MAX_DRAIN, "default": 0}
        text = "Seconds that open streams have to end by themselves."
        described["parameters"] = [_parameter("query", "drain", text, seconds)]
    return described


def _responses(path: str, found: Operation) -> dict[str, Any]:
    failures = set(_ALWAYS)
    if path.startswith("publish") and found.action == "execute":
        failures |= _PUBLISH
    if "{publication}" in path:
        failures |= {404}
    if "{tunnel}" in path or found.creates or path in _HOSTS:
        failures |= _TUNNEL
    if "{prompt}" in path:
        failures |= _PROMPT
    if found.body is not None:
        failures |= _BODY
    done: dict[str, Any] = {"description": "Done.", "content": _content(found.result)}
    if found.lines:
        done["content"] |= _content(found.lines, LINES)
    responses = {"200": done}
    if found.creates:
        if found.result != "PublishReport":
            done["links"] = _links(found.result)
        responses["201"] = {**done, "description": "Something new."}
    refs = {str(status): {"$ref": f"#/components/responses/{status}"} for status in failures}
    return responses | dict(sorted(refs.items()))


def _links(result: str) -> dict[str, Any]:
    """What can be done with the tunnel of an answer."""
    tunnel = "$response.body#/tunnel" + ("" if result == "Application" else "/id")
    return {
        name: {"operationId": name, "parameters": {"tunnel": tunnel}}
        for name in ("getTunnel", "deleteTunnel", "postRestart")
    }


def _failure(status: int) -> dict[str, Any]:
    codes = sorted(code for code, number in STATUS_OF.items() if number == status)
    text = HTTPStatus(status).phrase + (f": {', '.join(codes)}." if codes else ".")
    return {"description": text, "content": _content("Problem")}


def _content(name: str, kind: str = "application/json") -> dict[str, Any]:
    return {kind: {"schema": {"$ref": _REF.format(name=name)}}}


def _parameter(place: str, name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    required = place == "path"
    return {"in": place, "name": name, "required": required, "description": text, "schema": schema}


def _schemas() -> dict[str, Any]:
    found = [
        operation for handler in ROUTES.values() for operation in handler.operations().values()
    ]
    asked = _components([operation.body for operation in found if operation.body is not None])
    lines = [operation.lines for operation in found if operation.lines]
    given = _components([*(operation.result for operation in found), *lines, "Problem"])
    # An answer is always complete; of a request, what has a default can be left out.
    for schema in given.values():
        schema["required"] = list(schema["properties"])
        for field in schema["properties"].values():
            field.pop("default", None)
    schemas = {**given, **asked}
    for name, examples in _EXAMPLES.items():
        schemas[name]["examples"] = examples
    # The engine removes this file when the tunnel closes, writes to what keeps a server alive, and
    # says to an outside server who its visitors are: for the engine's other clients only.
    for field in ("connection_file", "keeper", "proxy_protocol"):
        del schemas["TunnelRequest"]["properties"][field]
    return dict(sorted(schemas.items()))


def _components(names: list[str]) -> dict[str, Any]:
    kinds = [getattr(bodies, name) for name in names]
    _, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    for schema in components.values():
        schema["additionalProperties"] = False
        if "description" in schema:
            schema["description"] = _prose(schema["description"])
        if not schema["required"]:
            del schema["required"]
    return components


def _prose(docstring: str) -> str:
    """A docstring with one line a paragraph."""
    return re.sub(r"(?<!\n)\n(?!\n|:|-| )", " ", inspect.cleandoc(docstring))
