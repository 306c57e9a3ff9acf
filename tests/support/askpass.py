"""OpenSSH's client with somebody who answers: an SSH_ASKPASS program with the answers prepared."""

import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import environment, program
from tests.support.sshd import SshBed

# Each answer is a file of its own; without one left, ssh takes the question for declined.
_ASKPASS = """\
#!/bin/sh
cd {folder} || exit 1
printf '%s\\0' "$1" >> questions
for answer in answers/*; do
    cat "$answer" && rm "$answer"
    exit
done
"""


@dataclass(frozen=True)
class Answered:
    """How a client with answers ended, and what it had been asked, one text a question."""

    returncode: int
    stdout: str
    stderr: str
    questions: list[str]


def ssh_with_answers(bed: SshBed, *arguments: str, answers: Sequence[str]) -> Answered:
    """Run OpenSSH's client with the bed's configuration; `answers` go to its questions in turn."""
    with tempfile.TemporaryDirectory(prefix="jrt-askpass-") as name:
        folder = Path(name)
        (folder / "answers").mkdir()
        for number, answer in enumerate(answers):
            (folder / "answers" / f"{number:03}").write_text(f"{answer}\n")
        questions = folder / "questions"
        questions.touch()
        script = folder / "askpass"
        script.write_text(_ASKPASS.format(folder=shlex.quote(name)))
        script.chmod(0o700)
        done = subprocess.run(
            [program("ssh"), "-F", bed.config_file, *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=environment({"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force"}),
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        asked = questions.read_text().split("\0")[:-1]
    return Answered(done.returncode, done.stdout, done.stderr, asked)
