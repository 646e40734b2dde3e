import pytest

from carbonwatch import __version__
from carbonwatch.__main__ import main


def test_it_runs_a_command_line_and_gives_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    codes = main(["--version"]), main(["no-such-command"])

    assert codes == (0, 2)
    assert capsys.readouterr().out == f"carbonwatch {__version__}\n"
