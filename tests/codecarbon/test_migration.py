import sys
from pathlib import Path

import pytest

from carbonwatch.codecarbon.migration import changed, changes

PROGRAMS = [
    ("from codecarbon import EmissionsTracker", "from carbonwatch import EmissionsTracker"),
    ("import codecarbon", "import carbonwatch as codecarbon"),
    ("import codecarbon as cc  # mine", "import carbonwatch as cc  # mine"),
    (
        "from codecarbon import (\n    EmissionsTracker,\n    track_emissions,\n)",
        "from carbonwatch import (\n    EmissionsTracker,\n    track_emissions,\n)",
    ),
    (
        "def f():\n    from codecarbon.emissions_tracker import OfflineEmissionsTracker as O",
        "def f():\n    from carbonwatch import OfflineEmissionsTracker as O",
    ),
    ("from codecarbon.output import BaseOutput", "from carbonwatch.codecarbon.outputs import BaseOutput"),
    ("from codecarbon.core.units import Energy", "from carbonwatch.codecarbon.units import Energy"),
    ("text = 'import codecarbon'", "text = 'import codecarbon'"),
    (
        "import os\r\nfrom codecarbon import EmissionsTracker\r\n",
        "import os\r\nfrom carbonwatch import EmissionsTracker\r\n",
    ),
]
REQUIREMENTS = [
    ("requirements.txt", "codecarbon==3.3.2\nnumpy\n", "carbonwatch\nnumpy\n"),
    ("requirements-dev.txt", "codecarbon[viz] >= 2.3, <4 ; extra == 'x'\n", "carbonwatch ; extra == 'x'\n"),
    ("requirements.txt", "codecarbon-extras\nmlco2/codecarbon\n", "codecarbon-extras\nmlco2/codecarbon\n"),
    (
        "requirements.txt",
        "git+https://github.com/mlco2/codecarbon.git\n",
        "git+https://github.com/mlco2/codecarbon.git\n",
    ),
    ("pyproject.toml", 'dependencies = ["codecarbon>=2.3", "x"]\n', 'dependencies = ["carbonwatch", "x"]\n'),
    ("pyproject.toml", 'codecarbon = "^3.0"\n', 'carbonwatch = "*"\n'),
    ("setup.py", "setup(install_requires=['codecarbon~=3.0'])\n", "setup(install_requires=['carbonwatch'])\n"),
    ("ci.yml", "run: pip install -U codecarbon==3 torch\n", "run: pip install -U carbonwatch torch\n"),
    ("ci.yml", "run: cat ~/.codecarbon.config\n", "run: cat ~/.codecarbon.config\n"),
    ("ci.yml", "- run: codecarbon detect\n", "- run: carbonwatch detect\n"),
    (
        "Dockerfile",
        "RUN pip install codecarbon && codecarbon monitor --no-api -- make\n",
        "RUN pip install carbonwatch && carbonwatch run --exporters emissions_csv -- make\n",
    ),
    (
        "tox.ini",
        "deps = codecarbon\ncommands = codecarbon detect\n",
        "deps = carbonwatch\ncommands = carbonwatch detect\n",
    ),
    (
        "n.ipynb",
        '{"source": ["from codecarbon import EmissionsTracker\\n", "import codecarbon"]}',
        '{"source": ["from carbonwatch import EmissionsTracker\\n", "import carbonwatch as codecarbon"]}',
    ),
]


@pytest.mark.parametrize(("before", "after"), PROGRAMS)
def test_a_program_s_imports_change_and_nothing_else(before: str, after: str) -> None:
    change = changed(Path("a.py"), before)

    assert (change.after, change.left) == (after, ())
    assert changed(Path("a.py"), after).after == after


@pytest.mark.parametrize(("name", "before", "after"), REQUIREMENTS)
def test_requirements_change_and_paths_and_addresses_do_not(name: str, before: str, after: str) -> None:
    assert changed(Path(name), before).after == after
    assert changed(Path(name), after).after == after


def test_what_has_no_equal_here_is_left_to_a_person() -> None:
    text = "from codecarbon.core.cpu import TDP\nimport codecarbon.core.units\nimport os, codecarbon\n"
    change = changed(Path("a.py"), text)

    assert change.after == text
    assert change.left == (
        "line 1: from codecarbon.core.cpu import TDP",
        "line 2: import codecarbon.core.units",
        "line 3: import os, codecarbon",
    )


def test_a_call_that_can_not_be_known_is_left_to_a_person() -> None:
    text = "pip install codecarbon && codecarbon monitor $OPTIONS\n"
    program = "run(['codecarbon', 'monitor'])\nsystem('codecarbon detect')\nprint('codecarbon')\n"

    assert changed(Path("a.sh"), text).after == "pip install carbonwatch && codecarbon monitor $OPTIONS\n"
    assert changed(Path("a.sh"), text).left == ("line 1: pip install codecarbon && codecarbon monitor $OPTIONS",)
    assert changed(Path("a.py"), program).left == (
        "line 1: run(['codecarbon', 'monitor'])",
        "line 2: system('codecarbon detect')",
    )


@pytest.mark.parametrize(
    "line",
    [
        'cc = importlib.import_module("codecarbon")',
        "import_module('codecarbon.core.units', package=None)",
        "cc = __import__('codecarbon')",
        'pytest.importorskip("codecarbon")',
        'importlib.util.find_spec("codecarbon")',
    ],
)
def test_an_import_by_name_is_left_to_a_person(line: str) -> None:
    text = f"import importlib\n{line}\nimport_module('codecarbonate')\nimport_module(name)\nimport_module()\n"

    assert changed(Path("a.py"), text) == (Path("a.py"), text, text, (f"line 2: {line}",))


def test_a_program_that_is_no_python_of_today_is_left_to_a_person() -> None:
    assert changed(Path("a.py"), "print codecarbon").left == ("it can't be read as Python, and names codecarbon",)


def test_files_are_found_where_a_project_keeps_them(tmp_path: Path) -> None:
    for name in ("a.py", "sub/b.py", ".venv/c.py", "data.csv", "sub/requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("import codecarbon\n")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9 codecarbon")
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")

    found = [change.path.relative_to(tmp_path).as_posix() for change in changes(tmp_path)]
    assert found == ["a.py", "sub/b.py", "sub/requirements.txt"]
    assert [change.path for change in changes(tmp_path / "a.py")] == [tmp_path / "a.py"]


@pytest.mark.parametrize(("_", "after"), PROGRAMS)
def test_what_is_imported_then_is_there(_: str, after: str) -> None:
    exec(compile(after, "a.py", "exec"), {})

    assert "carbonwatch" in sys.modules
