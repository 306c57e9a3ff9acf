"""`jupyter tunnel …`: the commands in a terminal, as `cli` begins them.

Tables are rich's, with every text taken as plain text; errors go to stderr as sentences, never as
a traceback, and with --json to stdout as {"error": {…}} too. Exit status: 0 done (also after Ctrl-C
of an open foreground), 1 failed, 2 bad input or ambiguous, 141 as of other tools whose reader has
gone (`| head`). Imports stand where they are needed, so that `--help` and a mistyped word cost
little.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from .commands.answers import Answer, Table
from .commands.grammar import Parsed, parse
from .engine.peer import require_unix
from .model.errors import BadInput, RemoteTunnelError
from .model.text import plain

if TYPE_CHECKING:
    from rich.table import Table as Grid

PROG = "jupyter tunnel"
DONE, FAILED, BAD_INPUT, READER_GONE = 0, 1, 2, 141
_GAP = "  "
_PATIENCE = 1.0  # seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    :param argv: its words without the program; None takes this process's.
    """
    words = sys.argv[1:] if argv is None else argv
    try:
        try:
            return _main(words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


def _main(words: Sequence[str]) -> int:
    try:
        return _run(parse(words, PROG))
    except RemoteTunnelError as error:
        if "--json" in words:
            print(json.dumps({"error": error.as_dict()}), flush=True)
        print(error.complaint(), file=sys.stderr)
        return BAD_INPUT if isinstance(error, BadInput) else FAILED
    except KeyboardInterrupt:
        return FAILED


def _run(parsed: Parsed) -> int:
    if parsed.command == "demo":
        from .demo import demo

        return _until_signal(demo(check=parsed.options["check"], browser=parsed.options["browser"]))
    if parsed.options.get("foreground"):
        return _until_signal(_hold(parsed))
    answer = asyncio.run(_answer(parsed))
    _show(answer, parsed)
    return DONE if answer.ok else FAILED


async def _answer(parsed: Parsed) -> Answer:
    from .commands.actions import run
    from .commands.engines import Engines
    from .commands.terminal import terminal

    with _patience(parsed) as shown, terminal(shown) as face:
        say = None if parsed.options["json"] else partial(print, flush=True)
        async with Engines("shell", parsed.options["server"], face, say) as engines:
            return await run(engines, parsed)


async def _hold(parsed: Parsed) -> None:
    from .commands.terminal import terminal

    if parsed.command == "publish":
        from .commands import pulling

        with terminal(lambda: None) as face:
            await pulling.hold(
                parsed, lambda answer: _show(answer, parsed), partial(print, flush=True), face
            )
        return
    from .commands.foreground import hold

    with _patience(parsed) as shown, terminal(shown) as face:

        def show(answer: Answer) -> None:
            shown()
            _show(answer, parsed)

        await hold(parsed, show, _tell, face)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _patience(parsed: Parsed) -> Iterator[Callable[[], None]]:
    """Tell who sits at a terminal that a tunnel waits for a host, if it takes long; until the block
    ends, or what it gives is called.
    """
    if parsed.command not in ("open", "offer") or parsed.options["json"] or not sys.stderr.isatty():
        yield lambda: None
        return
    from .commands.actions import wanted

    text = f"Connecting to {plain(wanted(parsed).login)} …"
    loop = asyncio.get_running_loop()
    timer = loop.call_later(_PATIENCE, lambda: print(text, file=sys.stderr, flush=True))
    try:
        yield timer.cancel
    finally:
        timer.cancel()


def _until_signal(work: Coroutine[Any, Any, None]) -> int:
    """Run what lasts until it ends, or is told to by Ctrl-C, SIGTERM or a closed terminal.

    `work` is cancelled then, once; if it ends by that cancellation it was not ready yet.

    :raises Fatal: `unsupported`, on Windows.
    """
    require_unix()

    async def supervised() -> int:
        loop = asyncio.get_running_loop()
        task = loop.create_task(work, name="command")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, lambda: task.cancelling() or task.cancel())
        try:
            await task
        except asyncio.CancelledError:
            return FAILED
        return DONE

    return asyncio.run(supervised())


def _show(answer: Answer, parsed: Parsed) -> None:
    """Print an answer: one line of JSON with --json, else its table and its lines."""
    if parsed.options["json"]:
        print(json.dumps(answer.data), flush=True)
        return
    if answer.table is not None and answer.table.rows:
        _print_table(answer.table)
    for line in answer.lines:
        print(line, flush=True)


def _print_table(table: Table) -> None:
    """Print a table so that no word of it is folded. A pipe has no width."""
    from rich.console import Console

    if sys.stdout.isatty() and _width(table) > (columns := get_terminal_size().columns):
        table = table.without_spare()
        if table.about and _width(table) > columns:
            _print_in_pairs(table)
            return
    # Captured, as rich would end this process by itself where the reader has gone.
    wide = Console(width=_width(table))
    with wide.capture() as captured:
        wide.print(_grid(table))
    for line in captured.get().splitlines():
        print(line.rstrip())


def _width(table: Table) -> int:
    from rich.cells import cell_len

    columns = zip(table.headings, *table.rows, strict=True)
    gaps = len(_GAP) * (len(table.headings) - 1)
    return gaps + sum(max(map(cell_len, column)) for column in columns)


def _grid(table: Table) -> "Grid":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Grid
    from rich.text import Text

    padding = (0, len(_GAP) - 1, 0, 0)  # the box has a space of its own between columns
    grid = Grid(box=SIMPLE_HEAD, pad_edge=False, padding=padding, show_edge=False)
    for column, heading in enumerate(table.headings):
        right = column in table.numeric
        grid.add_column(Text(heading), justify="right" if right else "left", no_wrap=True)
    for row in table.rows:
        grid.add_row(*map(Text, row))  # Text, not markup: a remote may name what stands there
    return grid


def _print_in_pairs(table: Table) -> None:
    """What a row is about, and below it the rest of it."""
    for row in table.rows:
        if any(row[: table.about]):
            print(_GAP.join(row[: table.about]))
        print(_GAP + " ".join(row[table.about :]))
