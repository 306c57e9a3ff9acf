"""A pasted line: the words that a shell would make of it, and the ones that are ssh's.

What stands around a command where it was copied is taken off: a prompt, `nohup`, `autossh -M 0`,
`> /dev/null 2>&1 &`, a `# comment`, the breaks of a long line, and the curly quotes and hard spaces
that a web page made of plain ones. What else only a shell could do is refused by name. What stands
in plain quotes is never touched, so that every line that ssh takes means here what it means there.
"""

import re
from collections.abc import Callable, Sequence
from typing import ClassVar, NoReturn

from .errors import BadInput

# Programs that a command begins with: what stands before one of them may be a prompt.
_PROGRAM = re.compile(
    r"(?:(?<!\S)|(?<=>))(?:!?(?:\S{0,200}/)?(?:ssh|autossh|sshpass)(?:\.exe)?|nohup|sudo|exec|command"
    r"|setsid|!?jupyter|jupyter-tunnel|%tunnel|AUTOSSH_\w+=\S*)(?!\S)"
)
_SIGN = re.compile(r"\A[$%#>❯➜»]\s+")
_PROMPT = re.compile(r"(?!-)[^'\"\n]{0,200}[$%#>❯➜»›λ]|[❯➜][^'\"\n]{0,200}|In \[\d*\]:")
_DOS_PROMPT = re.compile(r"(?:PS )?[A-Za-z]:\\[^'\"\n]{0,200}>")
# The line of a script that explains the next one.
_REMARKS = re.compile(rf"\A(?:#(?!\s*{_PROGRAM.pattern})[^\n]*\n\s*)+")

_DROPPED = "\u200b\u2060\ufeff"  # without width: a web page may hold them anywhere
_DOUBLE_MARKS, _SINGLE_MARKS = "“”„‟", "‘’‚‛"
_SECOND_PROMPT = r"(?:[ \t]*>[ \t]+(?!/dev/null))?"
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
# Of a descriptor; at its first digit only, so that a long number is not read again at each digit.
_NUMBER = r"(?:(?<![0-9])[0-9]{1,9})?"
_RUNNERS = ("nohup", "exec", "command", "setsid")
# What people paste for a line of ssh: nobody calls a host so.
_OTHERS = (
    "cat", "cd", "curl", "ftp", "kubectl", "ls", "mosh", "nc", "ping", "plink", "pscp", "psftp",
    "putty", "rsync", "scp", "sftp", "ssh-add", "ssh-copy-id", "ssh-keygen", "telnet", "wget",
)  # fmt: skip
_OURS = (["jupyter", "tunnel"], ["jupyter-tunnel"], ["%tunnel"])
# Options of `jupyter tunnel open` that may stand in a line of it → whether they take a value.
OWN_OPTIONS = {"--name": True, "--on-conflict": True, "--json": False, "--foreground": False}
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"


def split(line: str) -> list[str]:
    """The words of a pasted line.

    :raises BadInput: a quote is not closed, or the line holds `$(…)`, `;`, `|`, `> file` or the
        like, which only a shell could do.
    """
    text = _without_prompt(_REMARKS.sub("", line.strip().strip(_DROPPED), count=1))
    words = _Scanner(text).words()
    if not words:
        raise BadInput(
            "The line is empty.",
            hint="For example: gpu01:5006, or ssh -NfL 5006:localhost:5006 gpu01",
        )
    return words


def _without_prompt(text: str) -> str:
    program = _PROGRAM.search(text)
    if program and _is_prompt(text[: program.start()]):
        return text[program.start() :]
    return _SIGN.sub("", text, count=1)


def _is_prompt(head: str) -> bool:
    """Whether what stands before a program is a prompt: “me@laptop:~$ ”, “PS C:\\>”."""
    pattern = _DOS_PROMPT if head.endswith(">") else _PROMPT
    return pattern.fullmatch(head.rstrip()) is not None


def _curly_quotes(marks: str) -> re.Pattern[str]:
    return re.compile(rf"[{marks}]([^{marks}\n]*)[{marks}](?!\S)")


class _Scanner:
    """Reads a line as a shell would, from one unit to the next."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._word: str | None = None
        self._words: list[str] = []

    def words(self) -> list[str]:
        while self._at < len(self._text):
            self._step()
        self._end_word()
        return self._words

    def _step(self) -> None:
        for pattern, take in self._units:
            found = pattern.match(self._text, self._at)
            if found is not None and take(self, found):
                self._at = max(self._at, found.end())
                return
        self._add(self._text[self._at])
        self._at += 1

    def _add(self, text: str) -> None:
        self._word = (self._word or "") + text

    def _end_word(self) -> None:
        if self._word is not None:
            self._words.append(self._word)
            self._word = None

    # What to do with each unit; False where it is not meant here.

    def _skip(self, _found: re.Match[str]) -> bool:
        return True

    def _space(self, _found: re.Match[str]) -> bool:
        self._end_word()
        return True

    def _between_words(self, _found: re.Match[str]) -> bool:
        return self._word is None

    def _quiet(self, found: re.Match[str]) -> bool:
        if self._word is not None and found[0][0].isdigit():
            return False  # the digit belongs to the word
        self._end_word()
        return True

    def _next_line(self, found: re.Match[str]) -> bool:
        for line in map(str.strip, self._text[found.end() :].splitlines()):
            if line and not line.startswith("#") and not _PROMPT.fullmatch(line):
                raise BadInput("This is more than one line.", hint="Open one tunnel at a time.")
        self._at = len(self._text)
        return True

    def _refuse_sign(self, found: re.Match[str]) -> bool:
        refuse_sign(self._text, found.start(), found[0])

    def _quoted(self, found: re.Match[str]) -> bool:
        self._add(found[1])
        return True

    def _quoted_twice(self, found: re.Match[str]) -> bool:
        if sign := re.search(r"(?<!\\)(?:\\\\)*(\$[({]|\$\w+|`)", found[1]):
            refuse_sign(self._text, found.start(1) + sign.start(1), sign[1])
        self._add(re.sub(r'\\(?:\n|([$`"\\]))', lambda escaped: escaped[1] or "", found[1]))
        return True

    def _curly(self, found: re.Match[str]) -> bool:
        if not re.fullmatch(r"|-[A-Za-z]|.*=", self._word or ""):
            return False  # an apostrophe in a name
        self._add(found[1])
        return True

    def _open_quote(self, found: re.Match[str]) -> bool:
        refuse_part("This quote is never closed.", self._text, found.start(), 1)

    def _escaped(self, found: re.Match[str]) -> bool:
        if not found[1]:
            refuse_part(
                "The line goes on behind this “\\”.", self._text, found.start(), 1,
                "Paste the rest of it, too.",
            )  # fmt: skip
        self._add(found[1])
        return True

    _units: ClassVar["tuple[tuple[re.Pattern[str], _Take], ...]"] = (
        (re.compile(rf"\\\r?\n{_SECOND_PROMPT}|[{_DROPPED}]+"), _skip),
        # Blanks behind the backslash, and the breaks of PowerShell and of cmd.
        (re.compile(rf"(?:\\[ \t]+|[`^][ \t]*)\r?\n{_SECOND_PROMPT}"), _space),
        (re.compile(r"\n"), _next_line),
        (re.compile(r"[^\S\n]+"), _space),
        (re.compile(r"#[^\n]*"), _between_words),
        (
            re.compile(rf"(?:(?:&>>?|>&|{_NUMBER}(?:>>?|>\||<))[ \t]*/dev/null"
                       rf"|{_NUMBER}[<>]&(?:[0-9]+|-))(?![^\s&;|<>])"),
            _quiet,
        ),
        (
            re.compile(r"(?:&(?:[^\S\n]*disown\b[^\n&;|<>]*)?|;)[^\S\n]*(?:#[^\n]*)?(?=\n|\Z)"),
            _space,
        ),
        # A “&” may stand in a name that is given to `%tunnel`.
        (re.compile(r"\$[({]|\$[A-Za-z_]\w*|`|&&|\|\||[;|<>]|&(?!\w)"), _refuse_sign),
        (re.compile(r"'([^']*)'"), _quoted),
        (re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL), _quoted_twice),
        (_curly_quotes(_DOUBLE_MARKS), _curly),
        (_curly_quotes(_SINGLE_MARKS), _curly),
        (re.compile(r"['\"]"), _open_quote),
        (re.compile(r"\\(.|\Z)", re.DOTALL), _escaped),
    )  # fmt: skip


_Take = Callable[[_Scanner, re.Match[str]], bool]


def without_surroundings(words: Sequence[str]) -> list[str]:
    """The words behind a prompt, `nohup`, `autossh -M 0`, `ssh` or `jupyter tunnel open`.

    :raises BadInput: a program stands before ssh that cannot be left out, or another command of
        ours than `open` was given.
    """
    rest = _without_notebook_sign(_without_prompt_words(list(words)))
    own: list[str] = []
    if rest[:2] == ["tunnel", "open"]:  # ssh would take no line that begins so
        rest = ["jupyter", *rest]
    for ours in _OURS:
        if rest[: len(ours)] == ours:
            own, rest = _behind_open(rest[len(ours) :])
            break
    return [*own, *_without_program(rest)]


def _without_prompt_words(words: list[str]) -> list[str]:
    """A shell has made words of the prompt, too."""
    for number, word in enumerate(words):
        if _PROGRAM.fullmatch(word):
            return words[number:] if _PROMPT.fullmatch(" ".join(words[:number])) else words
    return words


def _without_notebook_sign(words: list[str]) -> list[str]:
    """`!ssh …` is how a cell runs a program."""
    if words and words[0].startswith("!"):
        return [word for word in (words[0][1:], *words[1:]) if word]
    return words


def _behind_open(words: list[str]) -> tuple[list[str], list[str]]:
    """Our own options, which may stand before a whole line of ssh, and that line."""
    verb = words[0] if words else ""
    if verb != "open":
        raise BadInput(
            f"“{verb}” cannot be given here: here a tunnel is opened.",
            hint="Type that line in a terminal or in a cell.",
            text=verb,
            end=len(verb),
        )
    end = 1
    while end < len(words) and (key := straight(words[end], tuple(OWN_OPTIONS))) in OWN_OPTIONS:
        end += 2 if OWN_OPTIONS[key] else 1
    return words[1:end], words[end:]


def _without_program(words: list[str]) -> list[str]:
    rest = words
    while rest and (_ASSIGNMENT.match(rest[0]) or rest[0] in _RUNNERS):
        if _ASSIGNMENT.match(rest[0]) and not rest[0].startswith("AUTOSSH_"):
            refuse_part("A variable cannot be set here.", rest[0], 0, hint="Leave it out.")
        rest = rest[1:]
    program = program_of(rest[0]) if rest else ""
    if program in ("sudo", "doas"):
        refuse_part(
            f"A tunnel is opened as yourself, without {program}.", rest[0], 0,
            hint="Leave it out: only ports below 1024 would need it, so choose a higher one.",
        )  # fmt: skip
    if program == "sshpass":
        refuse_part(
            "sshpass shows a password to everybody on this machine.", rest[0], 0,
            hint="Use a key or an agent.",
        )  # fmt: skip
    if program in _OTHERS and len(rest) > 1:
        refuse_part(
            f"This is not a line of ssh: it begins with “{program}”.", rest[0], 0,
            hint="Type what leads to the host with ssh, as in: ssh -NL 5006:localhost:5006 gpu01",
        )  # fmt: skip
    if program == "autossh":
        return _without_monitor(rest[1:])
    return rest[1:] if program == "ssh" else rest


def _without_monitor(words: list[str]) -> list[str]:
    """The words of `autossh` without its own `-M port`."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if straight(word) == "-M":
            next(rest, None)
        elif not re.fullmatch(r"-M\d+", straight(word)):
            kept.append(word)
    return kept


def program_of(word: str) -> str:
    """The program that a word calls: "ssh" for "/usr/bin/ssh" and "ssh.exe"."""
    return word.rpartition("/")[2].removesuffix(".exe")


def straight(word: str, long_options: Sequence[str] = ()) -> str:
    """An option with the dashes that were typed, where a web page or a mail made “–” or “—” of
    them; a word that is none as it is.

    :param long_options: the ones for which “—name” stands for “--name”.
    """
    name = word.lstrip(f"-{_DASHES}")
    lead = word[: len(word) - len(name)]
    if not name or lead.strip("-") == "":
        return word
    long = f"--{name}"
    return long if long.partition("=")[0] in long_options else f"-{name}"


def refuse_sign(text: str, start: int, sign: str) -> NoReturn:
    """Refuse what is a shell's business."""
    hint = "Type the values themselves, one command at a time."
    if sign in ("<", ">"):
        hint = "A tunnel reads and prints nothing: leave out this sign and the file behind it."
    refuse_part(
        f"“{sign}” is for a shell, and this line is read without one.", text, start, len(sign), hint
    )


def refuse_part(
    message: str, text: str, start: int, length: int | None = None, hint: str = ""
) -> NoReturn:
    """Raise `BadInput` that points at a part of `text`, by default at all from `start` on."""
    end = len(text) if length is None else start + length
    raise BadInput(message, hint=hint, text=text if _is_line(text) else "", start=start, end=end)


def _is_line(text: str) -> bool:
    """Whether it can be shown with a pointer below: hard spaces do no harm, escapes would."""
    return text.replace("\u00a0", " ").isprintable()
