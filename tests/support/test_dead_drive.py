import threading
from collections.abc import Iterator

import pytest

from tests.support.dead_drive import DeadDrive


@pytest.fixture
def drive() -> Iterator[DeadDrive]:
    with DeadDrive() as made:
        yield made


def test_files_are_there_and_read(drive: DeadDrive) -> None:
    content = bytes(range(256)) * 1000
    file = drive.add("a", content)
    assert file.read_bytes() == content
    assert file.is_file()
    assert not (drive.folder / "b").exists()


def test_a_broken_one_answers_with_errors(drive: DeadDrive) -> None:
    file = drive.add("a", b"text")
    drive.break_()
    with pytest.raises(OSError, match="Input/output error"):
        file.stat()
    drive.revive()
    assert file.read_bytes() == b"text"


def test_who_looks_while_it_is_dead_waits(drive: DeadDrive) -> None:
    file = drive.add("a", b"text")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(file.read_bytes()))
    drive.die()
    reader.start()
    reader.join(0.2)  # it must not end, and nothing tells that it waits
    assert reader.is_alive()
    drive.revive()
    reader.join()
    assert found == [b"text"]


def test_who_waits_at_the_end_gets_an_error() -> None:
    failed = threading.Event()

    def look() -> None:
        with pytest.raises(OSError, match=r"not connected|abort"):
            file.stat()
        failed.set()

    with DeadDrive() as drive:
        file = drive.add("a", b"text")
        drive.die()
        reader = threading.Thread(target=look)
        reader.start()
        reader.join(0.2)
        assert not failed.is_set()
    reader.join()
    assert failed.is_set()
