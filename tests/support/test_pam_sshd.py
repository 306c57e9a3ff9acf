"""The host that asks really asks, by PAM, and lets nobody in who answers wrong."""

import contextlib
import os
from pathlib import Path

import psutil
import pytest

from tests.support.askpass import ssh_with_answers
from tests.support.leaks import assert_gone, marked_processes
from tests.support.netns import Namespace
from tests.support.pam_sshd import MESSAGE, PUSH, USER, PamSshd, pam_host
from tests.support.process import Child, child, descendants, program, wait_until
from tests.support.sshd import SshBed

KEYBOARD = "keyboard-interactive"
FAILED = "Failed keyboard-interactive/pam"
ACCEPTED = "Accepted keyboard-interactive/pam"
ONCE = ["NumberOfPasswordPrompts 1"]
NEW = "Zeitgeist-42"


def tried(host: PamSshd, *attempts: str) -> None:
    """Wait until the host's log says that much, and see that it is exactly that."""
    wait_until(lambda: len(host.attempts) >= len(attempts), f"{attempts} in sshd's log")
    assert host.attempts == list(attempts)


def test_a_password(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password")
    done = ssh_with_answers(ssh_bed, "gpu01", "id -un; pwd", answers=["no", host.password])
    assert done.stdout == f"{USER}\n/home/{USER}\n"
    assert done.questions == 2 * [f"{USER}@127.0.0.1's password: "]
    tried(host, "Failed password", "Accepted password")
    assert host.failures == 1


def test_wrong_passwords(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password")
    done = ssh_with_answers(ssh_bed, "gpu01", "true", answers=["no", "", host.password[:-1]])
    assert done.returncode == 255
    assert "Permission denied (password)." in done.stderr
    tried(host, *3 * ["Failed password"])
    assert host.failures == 3


def test_the_hosts_limit_of_tries(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password", server=["MaxAuthTries 2"])
    done = ssh_with_answers(ssh_bed, "gpu01", "true", answers=["no", "no", host.password])
    assert done.returncode == 255
    assert "Too many authentication failures" in done.stderr
    assert len(done.questions) == 2


def test_a_password_and_a_code(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("password", "code"))
    done = ssh_with_answers(ssh_bed, "gpu01", "id -un", answers=[host.password, host.code])
    assert done.stdout == f"{USER}\n"
    assert done.questions == [
        f"({USER}@127.0.0.1) Password: ",
        f"({USER}@127.0.0.1) Password required for {USER}.",
    ]
    tried(host, ACCEPTED)


@pytest.mark.parametrize(
    ("answers", "asked"),
    [(["{code}"], 1), (["{password}", "no"], 2), (["{password}", "{password}"], 2)],
    ids=["password", "code", "password for code"],
)
def test_one_wrong_answer_of_two(ssh_bed: SshBed, answers: list[str], asked: int) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("password", "code"), client=ONCE)
    given = [answer.format(password=host.password, code=host.code) for answer in answers]
    done = ssh_with_answers(ssh_bed, "gpu01", "true", answers=given)
    assert done.returncode == 255
    assert len(done.questions) == asked
    tried(host, FAILED)


def test_a_code_alone(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("code",))
    done = ssh_with_answers(ssh_bed, "gpu01", "true", answers=["no", host.code])
    assert done.returncode == 0
    tried(host, FAILED, ACCEPTED)


def test_a_message_comes_with_the_next_question_or_alone(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("message", "password", "message"))
    done = ssh_with_answers(ssh_bed, "-vv", "gpu01", "true", answers=[host.password])
    assert done.returncode == 0
    assert done.questions == [f"({USER}@127.0.0.1) {MESSAGE}\nPassword: "]
    assert "num_prompts 1" in done.stderr
    assert "num_prompts 0" in done.stderr
    assert f"\n{MESSAGE}" in done.stderr


def _login(bed: SshBed, *words: str) -> contextlib.AbstractContextManager[Child]:
    return child([program("ssh"), "-F", bed.config_file, *words])


@pytest.mark.parametrize("approve", [True, False])
def test_a_push(ssh_bed: SshBed, approve: bool) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("push",), client=ONCE)
    with _login(ssh_bed, "-vv", "gpu01", "true") as client:
        host.answer_push(approve=approve)
        assert client.wait() == (0 if approve else 255)
    assert PUSH in client.output
    assert "num_prompts 0" in client.output
    assert "num_prompts 1" not in client.output
    tried(host, ACCEPTED if approve else FAILED)


def test_a_push_that_outlives_its_login(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("push",), server=["LoginGraceTime 3"])
    with _login(ssh_bed, "gpu01", "true") as client:
        pushes = wait_until(_pushes, "a push")
        assert client.wait() == 255
    wait_until(lambda: not host.connections, "the end of the login")
    assert all(push.is_running() for push in pushes)
    host.kill()
    assert_gone(pushes)


def _pushes() -> list[psutil.Process]:
    found = []
    for process in marked_processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.cmdline()[-1:] == ["/etc/factor/push.sh"]:
                found.append(process)
    return found


def test_an_expired_password_in_a_dialogue(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, expired=True)
    old = host.password
    answers = [old, old, "short", "short", NEW, NEW]
    done = ssh_with_answers(ssh_bed, "gpu01", "id -un", answers=answers)
    assert done.stdout == f"{USER}\n"
    assert [question.splitlines()[-1] for question in done.questions] == [
        f"({USER}@127.0.0.1) Password: ",
        "Current password: ",
        f"({USER}@127.0.0.1) New password: ",
        f"({USER}@127.0.0.1) Retype new password: ",
        "New password: ",
        f"({USER}@127.0.0.1) Retype new password: ",
    ]
    assert "You are required to change your password" in done.questions[1]
    assert host.accepts(NEW)
    assert not host.accepts(old)
    done = ssh_with_answers(ssh_bed, "gpu01", "true", answers=[NEW])
    assert (done.returncode, len(done.questions)) == (0, 1)


def test_the_password_method_lets_an_expired_one_in_for_nothing(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password", expired=True)
    forward = ["-W", f"127.0.0.1:{host.port}"]
    done = ssh_with_answers(ssh_bed, "gpu01", "true", answers=[host.password])
    assert done.returncode != 0
    assert "Password change required but no TTY available." in done.stderr
    done = ssh_with_answers(ssh_bed, *forward, "gpu01", answers=[host.password])
    assert "administratively prohibited" in done.stderr
    host.set_password(host.password)
    done = ssh_with_answers(ssh_bed, *forward, "gpu01", answers=[host.password])
    assert "administratively prohibited" not in done.stderr
    assert done.stdout.startswith("SSH-2.0-")


def test_a_key_and_a_password(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", f"publickey,{KEYBOARD}")
    done = ssh_with_answers(ssh_bed, "gpu01", "true", answers=["no", host.password])
    assert done.returncode == 0
    tried(host, "Partial publickey", FAILED, ACCEPTED)
    host.authorized_keys.write_text("")
    done = ssh_with_answers(ssh_bed, "gpu01", "true", answers=[host.password])
    assert done.returncode == 255
    assert done.questions == []


def test_alternatives(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", f"publickey {KEYBOARD}")
    assert ssh_with_answers(ssh_bed, "gpu01", "true", answers=[]).returncode == 0
    host.authorized_keys.write_text("")
    assert ssh_with_answers(ssh_bed, "gpu01", "true", answers=[host.password]).returncode == 0
    tried(host, "Accepted publickey", "Failed publickey", ACCEPTED)


def test_the_host_in_a_namespace(ssh_bed: SshBed) -> None:
    with Namespace() as namespace:
        host = pam_host(ssh_bed, "far", "password", namespace=namespace)
        done = ssh_with_answers(ssh_bed, "far", "echo $SSH_CONNECTION", answers=[host.password])
        assert done.stdout.split()[2] == namespace.address
        host.kill()


def _of_the_machine() -> list[object]:
    files = [Path("/etc", name) for name in ("passwd", "shadow", "group", "pam.d/sshd")]
    contents = [file.read_bytes() if file.exists() else None for file in files]
    folders = (Path("/etc"), Path("/home"), Path("/var/log"))
    return [*contents, *(sorted(folder.iterdir()) for folder in folders)]


def test_the_machine_does_not_notice() -> None:
    before = _of_the_machine()
    others = set(descendants(os.getpid()))  # what other tests share
    with contextlib.ExitStack() as clients:
        with SshBed() as bed:
            host = pam_host(bed, "gpu01", KEYBOARD, expired=True)
            answers = [host.password, host.password, NEW, NEW]
            done = ssh_with_answers(bed, "gpu01", "touch here; ls -A /home /etc", answers=answers)
            assert (host.home / USER / "here").exists()
            assert set(done.stdout.split()) >= {USER, "nsswitch.conf"}
            assert host.accepts(NEW)
            assert _of_the_machine() == before
            assert str(bed.folder) not in Path("/proc/self/mountinfo").read_text()
            pam_host(bed, "gpu02", f"publickey {KEYBOARD}")
            client = clients.enter_context(_login(bed, "gpu02", "echo in; sleep 1000"))
            client.wait_for_line("^in$")
            processes = [each for each in descendants(os.getpid()) if each not in others]
            assert {process.name() for process in processes} >= {"ssh", "sshd"}
        assert client.wait() == 255
        assert_gone(processes)
    assert not bed.folder.exists()
    assert _of_the_machine() == before
