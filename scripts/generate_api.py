"""Write docs/openapi.json anew, after a change of the REST interface."""

import json
from pathlib import Path

from jupyter_remote_tunnel.server.openapi import describe

TARGET = Path(__file__).parents[1] / "docs" / "openapi.json"


def render() -> str:
    """The file's content."""
    return json.dumps(describe(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(render())
