import os
import subprocess
import sys
from pathlib import Path

import pytest

from carbonwatch.exporters._files import Locked, write_whole

IN_A_CHILD = """
import resource, sys
from carbonwatch.exporters._files import Locked, write_whole
"""


def child(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", IN_A_CHILD + code, *arguments], capture_output=True, text=True)


def test_appended_bytes_follow_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for line in (b"one\n", b"two\n"):
        with Locked(str(path)) as file:
            file.append(line)

    assert path.read_bytes() == b"one\ntwo\n"
    assert os.listdir(tmp_path) == ["f"]


def test_a_disk_that_fills_up_within_a_row_leaves_none_of_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 1000)
    answer = child(
        """
resource.setrlimit(resource.RLIMIT_FSIZE, (1010, 1010))  # ten bytes of room, for root too
with Locked(sys.argv[1]) as file:
    try:
        file.append(b"y" * 100)
    except OSError as error:
        print(error)
    file.append(b"z" * 9)
""",
        str(path),
    )

    assert answer.stdout.strip() == "[Errno 27] File too large", answer.stderr
    assert path.read_bytes() == b"x" * 1000 + b"z" * 9


def test_a_full_device_is_an_error_that_says_so() -> None:
    with Locked("/dev/full") as file, pytest.raises(OSError, match="No space left on device"):
        file.append(b"row\n")


def test_a_file_that_another_program_holds_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    with Locked(path), pytest.raises(TimeoutError, match="have held it locked"), Locked(path, wait_s=0.0):
        pass


def test_a_child_forked_meanwhile_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "f"
    answer = child(
        """
import os
with Locked(sys.argv[1]):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(writer)
        os.read(reader, 1)  # lives on until its parent is done
        os._exit(0)
with Locked(sys.argv[1], wait_s=0.0) as file:
    file.append(b"row\\n")
""",
        str(path),
    )

    assert (answer.returncode, answer.stderr) == (0, "")
    assert path.read_bytes() == b"row\n"


def test_a_file_that_was_replaced_while_this_one_waited_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with Locked(str(path)) as first:
        waiter = subprocess.Popen(
            [
                sys.executable,
                "-c",
                IN_A_CHILD
                + """
print("here", flush=True)
with Locked(sys.argv[1]) as file:
    file.append(b"second\\n")
""",
                str(path),
            ],
            stdout=subprocess.PIPE,
        )
        assert waiter.stdout is not None
        waiter.stdout.readline()
        first.replace(b"first\n")
    waiter.communicate()

    assert path.read_bytes() == b"first\nsecond\n"


def test_replacing_keeps_the_mode_and_the_link(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(0o664)
    link = tmp_path / "link"
    link.symlink_to(path)
    with Locked(str(link)) as file:
        file.replace(b"new")

    assert (link.is_symlink(), path.read_bytes(), path.stat().st_mode & 0o777) == (True, b"new", 0o664)


def test_a_file_that_could_not_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    answer = child(
        """
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
write_whole(sys.argv[1], b"n" * 100)
""",
        str(path),
    )

    assert "File too large" in answer.stderr
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_file_is_set_aside_under_the_first_name_that_is_free(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for content in (b"a", b"b"):
        path.write_bytes(content)
        with Locked(str(path)) as file:
            file.set_aside()

    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"f.1.bak": b"a", "f.2.bak": b"b"}


def test_a_new_file_has_the_mode_that_the_user_s_mask_leaves(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_whole(str(tmp_path / "whole"), b"")
        with Locked(str(tmp_path / "locked")):
            pass
    finally:
        os.umask(mask)

    assert [p.stat().st_mode & 0o777 for p in tmp_path.iterdir()] == [0o640, 0o640]
