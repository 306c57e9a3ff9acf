"""`%tunnel`: the words of `jupyter tunnel` in a notebook.

    %load_ext jupyter_remote_tunnel
    %tunnel open ann@gpu01:5006
    url = %tunnel url gpu01:5006

`%tunnel url` returns the URL; with --json a command returns its data; any other answer is shown as
text and HTML. Errors are shown without a traceback. What a host asks is asked in the cell. Needs
IPython and the standard library only.
"""

import html
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.display import display

from .commands.actions import run
from .commands.answers import Answer, Table
from .commands.cell import face_here
from .commands.engines import Engines
from .commands.grammar import Parsed, parse, words_of
from .engine.sync import CallingThread, LoopThread
from .model.errors import BadInput, RemoteTunnelError

PROG = "%tunnel"


@magics_class
class TunnelMagics(Magics):
    """The magic, and the thread on which its engines are spoken to: a kernel's own loop is busy
    with the cell."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._thread: LoopThread | None = None

    @line_magic
    def tunnel(self, line: str) -> Any:
        """`%tunnel --help` lists the commands, `%tunnel open --help` explains one."""
        try:
            parsed = _understand(line)
            here = CallingThread()
            answer = self._on_thread().run(_answer(parsed, here), here)
        except RemoteTunnelError as error:
            raise UsageError(error.complaint()) from None
        except SystemExit:
            return None  # help was asked for, and is printed
        except KeyboardInterrupt as interrupt:
            # Where in here it came says nothing to the person who pressed the button.
            raise interrupt.with_traceback(None) from None
        if parsed.options["json"]:
            return answer.data
        if parsed.command == "url":
            return answer.data["url"]
        display(Shown(answer))  # type: ignore[no-untyped-call]
        return None

    def _on_thread(self) -> LoopThread:
        if self._thread is None:
            self._thread = LoopThread("%tunnel")
        return self._thread

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None


async def _answer(parsed: Parsed, here: CallingThread) -> Answer:
    with face_here(here) as face:
        async with Engines("cell", parsed.options["server"], face) as engines:
            return await run(engines, parsed)


def _understand(line: str) -> Parsed:
    """:raises BadInput: it is no command, or one for a terminal only."""
    parsed = parse(words_of(line) if line.strip() else [], PROG)
    if parsed.command == "demo":
        raise BadInput("The demo runs in a terminal.", hint="There: jupyter tunnel demo")
    if parsed.options.get("systemd"):
        raise BadInput(
            "A unit of systemd is written in a terminal.",
            hint=f"There: jupyter tunnel {parsed.command} …",
        )
    if parsed.options.get("foreground"):
        raise BadInput(
            "A cell cannot hold a tunnel in the foreground.",
            hint="Leave out --foreground: the engine holds it.",
        )
    return parsed


# Notebooks break the lines of a <pre> in the middle of words.
_PROSE = "white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere"


class Shown:
    """An answer as IPython displays it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __repr__(self) -> str:
        table = self._answer.table
        lines = _text_table(table) if table is not None and table.rows else []
        return "\n".join([*lines, *self._answer.lines])

    def _repr_html_(self) -> str:
        table = self._answer.table
        shown = _html_table(table) if table is not None and table.rows else ""
        text = html.escape("\n".join(self._answer.lines))
        return f'{shown}<pre style="{_PROSE}">{text}</pre>' if text else shown


def _text_table(table: Table) -> list[str]:
    rows = [table.headings, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_cells(row, widths, table)).rstrip() for row in rows]


def _cells(row: tuple[str, ...], widths: list[int], table: Table) -> list[str]:
    return [
        text.rjust(width) if column in table.numeric else text.ljust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    ]


def _html_table(table: Table) -> str:
    head = _html_row("th", table.headings, table)
    body = "".join(_html_row("td", row, table) for row in table.rows)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _html_row(tag: str, row: tuple[str, ...], table: Table) -> str:
    sides = ("right" if column in table.numeric else "left" for column in range(len(row)))
    cells = (
        f'<{tag} style="text-align: {side}">{html.escape(text)}</{tag}>'
        for side, text in zip(sides, row, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def load(shell: InteractiveShell) -> None:
    """Register `%tunnel`."""
    shell.register_magics(TunnelMagics(shell))
