from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch.cli import _child
from tests.grid.conftest import foretell
from tests.grid.conftest import source as source

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine
    from tests.grid.conftest import Source

PYTHON = sys.executable
# a program that tells that it is there, and then what it gets
WAITS = "import signal, sys, time; print('ready', flush=True); signal.pause()"


def state(pid: int) -> str:
    """As ps shows it: R, S, T for stopped, Z; nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition: object) -> None:
    """Until a function is true, for as long as a slow machine may take."""
    assert callable(condition)
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.01)


class Terminal:
    """A terminal of 80 columns with a program in it."""

    def __init__(self, words: list[str], environ: dict[str, str], folder: Path) -> None:
        self._fd, theirs = pty.openpty()
        enter = "import os, sys; os.login_tty(0); os.execvp(sys.argv[1], sys.argv[1:])"
        self._program = subprocess.Popen(
            [PYTHON, "-c", enter, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**environ, "TERM": "xterm"},
        )
        os.close(theirs)
        self.text = ""
        self._seen = 0

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def expect(self, text: str) -> None:
        """Reads on until this text has come."""
        deadline_s = time.monotonic() + 20
        while text not in self.text[self._seen :]:
            left_s = deadline_s - time.monotonic()
            ready, _, _ = select.select([self._fd], [], [], max(0.0, left_s))
            more = self._read() if ready else ""
            assert more, f"{text!r} did not come after {self.text!r}"
            self.text += more
        self._seen = self.text.index(text, self._seen) + len(text)

    def end(self) -> int:
        """Reads all, and gives the exit code."""
        while text := self._read():
            self.text += text
        os.close(self._fd)
        return self._program.wait(20)

    def _read(self) -> str:
        try:
            return os.read(self._fd, 65536).decode(errors="replace")
        except OSError:  # nobody is in it any more
            return ""


def in_terminal(carbonwatch: CommandLine, *words: str) -> Terminal:
    return Terminal([*carbonwatch.words, *words], carbonwatch.environ, carbonwatch.folder)


def in_shell(carbonwatch: CommandLine) -> Terminal:
    """An interactive shell with job control, and `measured` for a quiet `carbonwatch run --`."""
    terminal = Terminal(
        ["bash", "--norc", "--noprofile", "-i"], {**carbonwatch.environ, "PS1": "> "}, carbonwatch.folder
    )
    terminal.expect("> ")
    terminal.type(f"stty -echo; measured() {{ {' '.join(carbonwatch.words)} run --quiet -- \"$@\"; }}; echo be''gin\n")
    terminal.expect("begin")
    return terminal


def test_the_program_s_streams_are_its_own_byte_for_byte(carbonwatch: CommandLine) -> None:
    everything = bytes(range(256)) * 1000
    copy = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer); "
    copy += "sys.stderr.buffer.write(b'\\xff\\0e')"
    answer = carbonwatch("run", "--quiet", "--", PYTHON, "-c", copy, stdin=everything)

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, everything, b"\xff\0e")


def test_the_summary_comes_on_stderr_after_the_program_s_own_words(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("run", "--", "sh", "-c", "echo out; echo err >&2")

    assert answer.stdout == b"out\n"
    assert answer.stderr.startswith(b"err\n\n")
    assert b"CO2e" in answer.stderr
    assert b"sh -c echo out; echo err >&2" in answer.stderr
    assert b"\x1b" not in answer.stderr


def test_a_quiet_run_still_says_that_it_was_not_kept(carbonwatch: CommandLine) -> None:
    (carbonwatch.folder / "runs.db").write_text("no database")
    answer = carbonwatch("run", "--quiet", "--", "true")

    assert answer.returncode == 0
    assert "runs.db can't be written (file is not a database)" in answer.stderr.decode()
    assert "CO2e" not in answer.stderr.decode()


def test_the_exporter_logger_writes_its_line_to_stderr(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("run", "--quiet", "--project", "p", "--exporters", "logger", "--", "true")
    (line,) = answer.stderr.decode().splitlines()

    assert json.loads(line)["project_name"] == "p"


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_program_s(carbonwatch: CommandLine, code: int) -> None:
    answer = carbonwatch("run", "--quiet", "--", "sh", "-c", f"exit {code}")

    assert (answer.returncode, answer.stdout, answer.stderr) == (code, b"", b"")
    assert [run["state"] for run in carbonwatch.runs()] == ["finished" if code == 0 else "failed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT, signal.SIGUSR1])
def test_it_dies_of_the_signal_that_killed_the_program_once_the_run_is_kept(
    carbonwatch: CommandLine, number: signal.Signals
) -> None:
    answer = carbonwatch("run", "--", "sh", "-c", f"kill -{int(number)} $$")

    assert answer.returncode == -number
    assert b"CO2e" in answer.stderr
    assert [run["state"] for run in carbonwatch.runs()] == ["failed"]


@pytest.mark.parametrize(
    "name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH", "SIGALRM"]
)
def test_a_signal_sent_to_us_alone_reaches_the_program(carbonwatch: CommandLine, name: str) -> None:
    said = f"signal.signal(signal.{name}, lambda *_: (print('{name}', flush=True), sys.exit(5)))"
    program = carbonwatch.start("run", "--quiet", "--", PYTHON, "-c", f"import signal, sys; {said}; {WAITS}")
    with program:
        assert program.stdout is not None
        program.stdout.readline()
        program.send_signal(getattr(signal, name))
        answer = program.stdout.read()

    assert (answer, program.returncode) == (f"{name}\n".encode(), 5)


def test_a_program_that_takes_no_notice_of_a_signal_goes_on(carbonwatch: CommandLine) -> None:
    code = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    code += "print('ready', flush=True); sys.stdin.read()"
    with carbonwatch.start("run", "--quiet", "--", PYTHON, "-c", code, stdin=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        program.stdout.readline()
        program.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(0.2)
        program.stdin.close()

    assert program.returncode == 0


def test_what_is_ignored_or_blocked_in_us_is_so_in_the_program(carbonwatch: CommandLine) -> None:
    told = "import signal as s; known = range(1, 32); "
    told += "print([n for n in known if s.getsignal(n) == s.SIG_IGN], s.pthread_sigmask(s.SIG_BLOCK, []))"
    alone = subprocess.run(["sh", "-c", f'trap "" HUP; exec {PYTHON} -c "{told}"'], capture_output=True, check=True)
    ours = " ".join([*carbonwatch.words, "run", "--quiet", "--"])
    command = f'trap "" HUP; exec {ours} {PYTHON} -c "{told}"'
    measured = subprocess.run(["sh", "-c", command], capture_output=True, check=True, env=carbonwatch.environ)

    assert measured.stdout == alone.stdout


def test_a_program_whose_reader_is_gone_ends_as_it_does_without_us(carbonwatch: CommandLine) -> None:
    with carbonwatch.start("run", "--quiet", "--", "yes") as measured:
        assert measured.stdout is not None
        measured.stdout.read(2)
        measured.stdout.close()

    assert measured.returncode == -signal.SIGPIPE


def test_the_environment_is_passed_on_as_it_is(carbonwatch: CommandLine) -> None:
    given = {"PATH": os.environ["PATH"], "CARBONWATCH_STORE": "none", "PYTHONPATH": ":".join(sys.path), "B": "\udcff"}
    alone = subprocess.run(["env"], env=given, capture_output=True, check=True)
    measured = subprocess.run(
        [*carbonwatch.words, "run", "--quiet", "--", "env"], env=given, capture_output=True, check=True
    )

    assert sorted(measured.stdout.split(b"\n")) == sorted(alone.stdout.split(b"\n"))


def test_open_files_are_passed_on_and_ours_are_not(carbonwatch: CommandLine) -> None:
    reader, writer = os.pipe()
    listed = (
        "import os; os.write({0}, b'hello'); print(*(fd for fd in map(int, os.listdir('/proc/self/fd')) if fd > 2))"
    )
    answer = carbonwatch("run", "--quiet", "--", PYTHON, "-c", listed.format(writer), pass_fds=(writer,))
    os.close(writer)
    said = os.read(reader, 10)
    os.close(reader)

    assert said == b"hello"
    assert len(answer.stdout.split()) == 2  # the pipe, and the folder that it lists


def test_ctrl_c_reaches_the_program_once_and_it_decides(carbonwatch: CommandLine) -> None:
    counted = "import signal, sys, time\nn = []\nsignal.signal(2, lambda *_: n.append(1))\nprint('ready', flush=True)\n"
    # a second one would come at once
    shown = "while not n: time.sleep(0.01)\ntime.sleep(0.2)\nprint('times', len(n), flush=True)\nsys.exit(9)"
    terminal = in_terminal(carbonwatch, "run", "--", PYTHON, "-c", counted + shown)
    terminal.expect("ready")
    terminal.type("\x03")
    terminal.expect("times 1")

    assert terminal.end() == 9
    assert "CO2e" in terminal.text
    assert "Traceback" not in terminal.text


def test_ctrl_c_that_kills_the_program_is_how_we_end_after_the_summary(carbonwatch: CommandLine) -> None:
    terminal = in_terminal(carbonwatch, "run", "--", "sh", "-c", "echo ready; exec sleep 60")
    terminal.expect("ready")
    terminal.type("\x03")
    terminal.expect("CO2e")

    assert terminal.end() == -signal.SIGINT
    assert "Traceback" not in terminal.text


def test_the_program_has_the_terminal(carbonwatch: CommandLine) -> None:
    terminal = in_terminal(carbonwatch, "run", "--quiet", "--", "sh", "-c", 'tty -s && read line && echo "<$line>"')
    terminal.type("typed\n")
    terminal.expect("<typed>")

    assert terminal.end() == 0


def test_ctrl_z_stops_both_and_fg_continues_both(carbonwatch: CommandLine) -> None:
    shell = in_shell(carbonwatch)
    shell.type("measured sh -c 'echo ready; read line; echo \"<$line>\"'\n")
    shell.expect("ready")
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.type("fg\n")
    shell.type("typed\n")
    shell.expect("<typed>")
    shell.type("exit 0\n")

    assert shell.end() == 0


def test_a_program_that_stops_itself_gives_the_shell_back(carbonwatch: CommandLine) -> None:
    shell = in_shell(carbonwatch)
    shell.type("measured sh -c 'kill -STOP $$; echo back; exit 3'\n")
    shell.expect("Stopped")
    shell.type("fg; echo code=$?\n")
    shell.expect("back")
    shell.expect("code=3")
    shell.type("exit 0\n")

    assert shell.end() == 0


def test_without_a_shell_a_stopped_program_is_waited_for(carbonwatch: CommandLine) -> None:
    with carbonwatch.start("run", "--quiet", "--", PYTHON, "-c", WAITS, start_new_session=True) as measured:
        assert measured.stdout is not None
        measured.stdout.readline()
        [program] = children(measured.pid)
        os.kill(program, signal.SIGSTOP)
        wait_for(lambda: state(program) == "T")
        wait_for(lambda: state(measured.pid) == "S")
        os.kill(program, signal.SIGCONT)
        wait_for(lambda: state(program) == "S")
        measured.terminate()

    assert measured.returncode == -signal.SIGTERM


def test_it_does_not_wait_for_what_outlives_the_program(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("run", "--quiet", "--", "sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!")
    left = int(answer.stdout)
    left_state = state(left)
    os.kill(left, signal.SIGKILL)

    assert left_state == "S"
    assert [run["state"] for run in carbonwatch.runs()] == ["finished"]


def test_a_run_inside_a_run_is_a_run_of_its_own(carbonwatch: CommandLine) -> None:
    inner = [*carbonwatch.words, "run", "--quiet", "--project", "inner", "--"]
    answer = carbonwatch("run", "--quiet", "--project", "outer", "--", *inner, "sh", "-c", "echo hi; exit 4")
    runs = {run["project"]: run for run in carbonwatch.runs()}

    assert (answer.returncode, answer.stdout, answer.stderr) == (4, b"hi\n", b"")
    assert runs.keys() == {"inner", "outer"}
    assert runs["inner"]["duration_s"] < runs["outer"]["duration_s"]


def test_a_killed_run_leaves_the_program_alone_and_is_found_with_what_it_had(carbonwatch: CommandLine) -> None:
    code = "import sys\nprint('ready', flush=True)\nsys.stdin.read()\nprint('done', flush=True)"
    words = ("run", "--quiet", "--interval-s", "0.05", "--", PYTHON, "-c", code)
    with carbonwatch.start(*words, stdin=subprocess.PIPE) as measured:
        assert measured.stdout is not None
        assert measured.stdin is not None
        measured.stdout.readline()
        wait_for(lambda: [run for run in carbonwatch.runs() if run["energy_j"]])
        going_on = carbonwatch.runs()
        measured.kill()
        measured.wait()
        measured.stdin.close()
        last_words = measured.stdout.read()
    [run] = carbonwatch.runs()

    assert [run["state"] for run in going_on] == ["running"]
    assert last_words == b"done\n"
    assert run["state"] == "killed"
    assert run["energy_j"] >= going_on[0]["energy_j"] > 0


def test_work_of_the_program_and_its_children_is_the_run_s_own(carbonwatch: CommandLine) -> None:
    spin = f"{PYTHON} -c 'import time\nwhile time.process_time() < 0.3: pass'"
    carbonwatch("run", "--quiet", "--json", "run.json", "--", "sh", "-c", f"{spin}; {spin}")
    run = json.loads((carbonwatch.folder / "run.json").read_text())
    own_s = [e["work"]["own_s"] for e in run["entries"] if run["domains"][e["domain"]]["component"] == "cpu"]

    assert 0.6 <= sum(own_s) < 2


def test_json_holds_the_whole_run(carbonwatch: CommandLine) -> None:
    answer = carbonwatch(
        "run", "--quiet", "--project", "p", "--json", "run.json", "--", "true", "--token", "hf_12345678901"
    )
    run = json.loads((carbonwatch.folder / "run.json").read_text())
    [listed] = carbonwatch.runs()

    assert answer.returncode == 0
    assert (run["project"], run["state"], run["id"]) == ("p", "finished", listed["id"])
    assert run["entries"]
    assert run["facts"]["command"] == "true --token ***"
    assert sorted(path.name for path in carbonwatch.folder.glob("run.json*")) == ["run.json"]


def test_json_may_go_to_a_pipe(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("run", "--quiet", "--json", "/dev/stderr", "--", "echo", "hi")

    assert answer.stdout == b"hi\n"
    assert json.loads(answer.stderr)["state"] == "finished"


@pytest.mark.parametrize(
    ("file", "why"), [("-", "stdout is the command's own"), ("no/run.json", "does not exist"), (".", "is no file")]
)
def test_a_file_that_could_not_be_written_is_refused_before_the_run(
    carbonwatch: CommandLine, file: str, why: str
) -> None:
    answer = carbonwatch("run", "--json", file, "--", "echo", "hi")

    assert (answer.returncode, answer.stdout) == (2, b"")
    assert why in answer.stderr.decode()


@pytest.mark.parametrize(
    ("command", "code"), [("no-such-program", 127), ("./no-such", 127), ("./text", 126), ("/", 126)]
)
def test_what_can_t_be_run_gives_a_shell_s_code_and_is_no_run(
    carbonwatch: CommandLine, command: str, code: int
) -> None:
    (carbonwatch.folder / "text").write_text("no program")
    answer = carbonwatch("run", "--", command)

    assert answer.returncode == code
    assert answer.stderr.count(b"\n") == 1
    assert command.encode() in answer.stderr
    assert carbonwatch.runs() == []


def test_a_script_without_an_interpreter_is_run_by_sh(carbonwatch: CommandLine) -> None:
    script = carbonwatch.folder / "script"
    script.write_text('echo "$1"\n')
    script.chmod(0o755)

    assert carbonwatch("run", "--quiet", "--", "./script", "a b").stdout == b"a b\n"


def test_a_script_whose_interpreter_is_missing_is_said_in_one_line(carbonwatch: CommandLine) -> None:
    script = carbonwatch.folder / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    answer = carbonwatch("run", "--", "./script")

    assert answer.returncode == 127
    assert answer.stderr == b"carbonwatch: ./script can't be run: No such file or directory.\n"


def test_a_result_that_can_t_be_written_leaves_the_exit_code_alone(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("run", "--quiet", "--json", "new.json", "--", "sh", "-c", "mkdir new.json; exit 3")

    assert (answer.returncode, answer.stderr.count(b"\n")) == (3, 1)
    assert b"`carbonwatch report` has it" in answer.stderr
    assert [path.name for path in carbonwatch.folder.glob("new.json*")] == ["new.json"]


@pytest.mark.parametrize(
    "words", [(), ("--",), ("ls",), ("--quiet", "ls"), ("--country",), ("--contry", "FR", "--", "ls")]
)
def test_a_wrong_command_line_runs_nothing(carbonwatch: CommandLine, words: tuple[str, ...]) -> None:
    answer = carbonwatch("run", *words)

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)


@pytest.mark.parametrize(
    "flag", [("--country", "XX"), ("--interval-s", "-1"), ("--pue", "half"), ("--sensors", "none")]
)
def test_a_wrong_setting_runs_nothing(carbonwatch: CommandLine, flag: tuple[str, str]) -> None:
    answer = carbonwatch("run", *flag, "--", "echo", "hi")

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)
    assert flag[1].encode() in answer.stderr


def test_a_store_that_can_t_be_written_costs_one_warning(carbonwatch: CommandLine) -> None:
    (carbonwatch.folder / "file").touch()
    answer = carbonwatch(
        "run", "--store", "file/runs.db", "--interval-s", "0.02", "--", "sh", "-c", "sleep 0.2; echo hi"
    )
    warnings = [line for line in answer.stderr.splitlines() if line.startswith(b"carbonwatch: ")]

    assert (answer.returncode, answer.stdout) == (0, b"hi\n")
    assert len(warnings) == 1
    assert b"CO2e" in answer.stderr


def test_a_python_that_can_t_measure_runs_the_program_all_the_same(carbonwatch: CommandLine) -> None:
    broken = carbonwatch.folder / "broken"
    broken.mkdir()
    (broken / "sqlite3.py").write_text("raise ImportError('no sqlite3 in this Python')")
    carbonwatch.environ["PYTHONPATH"] = str(broken)
    answer = carbonwatch("run", "--", "sh", "-c", "echo hi; exit 3")

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (3, b"hi\n", 1)
    assert b"no sqlite3 in this Python" in answer.stderr


def test_it_works_with_all_streams_closed(carbonwatch: CommandLine) -> None:
    ours = " ".join([*carbonwatch.words, "run", "--", "sh", "-c", "'exit 6'"])
    answer = subprocess.run(["sh", "-c", f"exec {ours} <&- >&- 2>&-"], env=carbonwatch.environ, check=False)

    assert answer.returncode == 6
    assert [run["state"] for run in carbonwatch.runs()] == ["failed"]


def test_where_there_is_no_fork_the_program_is_run_and_waited_for() -> None:
    assert _child._run_on_windows([PYTHON, "-c", "raise SystemExit(5)"]) == 5


def in_great_britain(carbonwatch: CommandLine, source: Source) -> None:
    carbonwatch.environ |= {
        "CARBONWATCH_COUNTRY": "GB",
        "CARBONWATCH_GRID": "neso",
        "CARBONWATCH_GRID_URLS": f"neso={source.url}",
        "CARBONWATCH_BOUNDARY": "direct",
        "CARBONWATCH_CACHE_DIR": str(carbonwatch.folder / "cache"),
    }


def test_when_clean_waits_for_the_cleanest_hours(carbonwatch: CommandLine, source: Source) -> None:
    in_great_britain(carbonwatch, source)
    foretell(source, 300, 100, 100)
    child = carbonwatch.start(
        "run", "--when-clean", "1h", "--within", "2h", "--", "touch", "begun", stderr=subprocess.PIPE
    )
    assert child.stderr
    said = child.stderr.readline()
    child.send_signal(signal.SIGINT)
    child.communicate()

    assert said.startswith(b"carbonwatch: Start at ")
    assert child.returncode == -signal.SIGINT
    assert not (carbonwatch.folder / "begun").exists()


def test_when_clean_runs_at_once_if_now_is_clean(carbonwatch: CommandLine, source: Source) -> None:
    in_great_britain(carbonwatch, source)
    foretell(source, 100, 300, 300)
    answer = carbonwatch("run", "--when-clean", "1h", "--within", "2h", "--", "true")

    assert answer.returncode == 0
    assert b"carbonwatch: Start now: " in answer.stderr


def test_when_clean_runs_at_once_if_nobody_knows(carbonwatch: CommandLine, source: Source) -> None:
    in_great_britain(carbonwatch, source)
    source.answer("/", {}, 503)
    answer = carbonwatch("run", "--when-clean", "1h", "--", "sh", "-c", "exit 7")

    assert answer.returncode == 7
    assert b"It runs now: No source tells what is to come. neso is out of order (503)." in answer.stderr


def test_when_clean_without_a_source_is_a_wrong_command_line(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("run", "--when-clean", "1h", "--", "touch", "begun")

    assert answer.returncode == 2
    assert b"No source of hourly intensity is chosen" in answer.stderr
    assert not (carbonwatch.folder / "begun").exists()


def test_an_orphan_of_the_program_is_counted_however_soon_it_was_left(carbonwatch: CommandLine) -> None:
    code = """
import os, time
reader, writer = os.pipe()
if not os.fork():
    if not os.fork():
        while time.process_time() < 0.3: pass
        os._exit(0)
    os._exit(0)
os.close(writer)
os.read(reader, 1)  # until the orphan has ended
"""
    answer = carbonwatch("run", "--quiet", "--json", "run.json", "--", PYTHON, "-S", "-c", code)
    run = json.loads((carbonwatch.folder / "run.json").read_text())
    own_s = max(entry["work"]["own_s"] for entry in run["entries"])

    assert answer.returncode == 0
    # where the kernel may not count, an orphan that nobody saw is left out, and the record says so
    assert own_s >= 0.27 or run["facts"]["cpu_time_by"] == "/proc and getrusage"


def test_a_python_s_packages_are_noted(carbonwatch: CommandLine) -> None:
    carbonwatch("run", "--quiet", "--json", "run.json", "--", PYTHON, "-c", "pass")
    carbonwatch("run", "--quiet", "--json", "other.json", "--", "true")
    run, other = (json.loads((carbonwatch.folder / name).read_text()) for name in ("run.json", "other.json"))

    assert run["facts"]["packages"]["pytest"] == pytest.__version__
    assert "pytest" not in other["facts"]["packages"]
