"""Write docs/settings.md from the traits of `TunnelManager`, the only place where they are defined.

python scripts/generate_settings.py
"""

from pathlib import Path

from jupyter_remote_tunnel.server.config import TunnelManager

TARGET = Path(__file__).parents[1] / "docs" / "settings.md"

_HEAD = """\
# Settings

Made by `scripts/generate_settings.py` from `jupyter_remote_tunnel/server/config.py`. Each is
written into `jupyter_server_config.py`, or given to `jupyter lab` as a flag:

```python
c.TunnelManager.restore = True
c.TunnelManager.tunnels = [
    "-L 5006:localhost:5006 gpu01",
    {"host": "ann@gw", "forwards": ["-D 1080"], "name": "proxy"},
]
```

```sh
jupyter lab --TunnelManager.restore=True
```

| `c.TunnelManager.…` | default | what it does |
| --- | --- | --- |
"""


def settings_page() -> str:
    """The page as Markdown."""
    traits = TunnelManager.class_own_traits(config=True)
    return _HEAD + "".join(
        f"| `{name}` | `{trait.default()!r}` | {_prose(trait.help)} |\n"
        for name, trait in traits.items()
    )


def _prose(text: str) -> str:
    """In one line that a table can hold."""
    line = " ".join(text.split()).replace("|", "\\|")
    return line if line.endswith(".") else f"{line}."


if __name__ == "__main__":
    TARGET.write_text(settings_page())
