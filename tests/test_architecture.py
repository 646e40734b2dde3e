"""The drawing in ARCHITECTURE.md, as tests: they fail when it is no longer true."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import carbonwatch

TESTS = Path(__file__).parent
SRC = TESTS.parent / "src" / "carbonwatch"

# a module imports from lines above its own and from its own folder
LAYERS = """
    _version units errors folders
    model plugins cputime nvidia tables pages linklocal redirects frameworks rights charts significance machines perf
    cpunames
    hardware cloudinstances powermodel embodied plugs calibration
    settings
    sensors activity grid location environment attribution ledger prediction ticks sweeps totals
    sampler idle conditions store reports exporters pricing pictures comparison
    windows
    tracker
    codecarbon estimate requirements training testing powerlimits appendix calculator benchmark profiler distributed
    __init__
    integrations board server
    cli
    __main__
"""
LEVEL = {name: level for level, line in enumerate(LAYERS.split("\n")) for name in line.split()}

UNITS = (
    "_j",
    "_nj",
    "_w",
    "_s",
    "_ns",
    "_g",
    "_kg",
    "_kwh",
    "_l",
    "_gb",
    "_years",
    "_j_per_kwh",
    "_g_per_kwh",
    "_l_per_kwh",
    "usd_per_t",
    "_flops",
)
# what has no unit, or that of the thing it belongs to: ratios, counts, and the ends of a Figure or an Intensity
UNITLESS = {"pue", "share", "part", "factor", "fraction", "error", "time_error", "measured", "cores", "reserved_cores"}
UNITLESS |= {"value", "low", "high", "scale", "own", "busy", "reserved", "latitude", "longitude"}
UNITLESS |= {"seconds", "watts", "wue"}  # a unit itself; and everybody's name for litres per kWh
UNITLESS |= {"load", "concentration", "concentrated", "uneven", "dynamic", "residual", "vcpus", "sockets", "threads"}
UNITLESS |= {"hardware_sockets", "hardware_cores", "hardware_threads", "hardware_vcpus"}
UNITLESS |= {"metrics"}  # of a log: each of its names has its own
UNITLESS |= {"lo95", "lo80", "hi80", "hi95", "a", "b"}  # ends of a value's interval, and a line's terms: P = a + b * x
UNITLESS |= {"accuracy", "requests", "per", "resource_share"}  # what standards ask for
UNITLESS |= {"p", "mean", "standard_error"}  # of any numbers
UNITLESS |= {"x", "y", "x_high", "y_high", "width", "height", "high"}  # of a chart
UNITLESS |= {"hours", "utilisation", "usual", "offset", "unknown_error"}  # of a calculator: hours as people say them
# their names, whole
CODECARBON = {"measure_power_secs", "interval"}
CODECARBON_ALONE = {"codecarbon/data.py", "codecarbon/units.py"}

# test files of no module: this one, whole journeys, and a folder's own __init__
OTHER_TESTS = {
    "architecture.py",
    "behaviour",
    "board/views.py",
    "calculator/calculator.py",
    "calculator/views.py",
    "codecarbon/codecarbon.py",
    "location/location.py",
    "store/store.py",
    "tools",
}

LONGEST_FUNCTION = 40

# what takes a millisecond or more to import, or has to do with the network
SLOW = """
    argparse asyncio concurrent configparser contextlib csv ctypes dataclasses email http importlib.metadata
    importlib.resources inspect json logging multiprocessing pathlib psutil pynvml re socket sqlite3 ssl statistics
    subprocess tempfile tomllib typing unittest urllib uuid
"""
# a tracker needs some of these; the rest stays out of its start too
TRACKER_NEEDS = {"contextlib", "dataclasses", "inspect", "json", "logging", "re", "sqlite3", "typing"}


def modules() -> list[str]:
    return sorted(path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py"))


def tree(module: str) -> ast.Module:
    return ast.parse((SRC / module).read_text())


def home(module: str) -> str:
    """The word of LAYERS that a file belongs to: sensors/nvml.py is one of `sensors`."""
    return module.removesuffix(".py").replace("/", ".").split(".")[0]


def imported(module: str) -> Iterator[str]:
    """What a file imports of ours, also inside functions and for type checkers: `sensors._counter`."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[2] or "__init__" for alias in node.names if _is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module == "carbonwatch":
            yield from (alias.name if alias.name in LEVEL else "__init__" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            yield str(node.module).partition(".")[2]


def _is_ours(name: str) -> bool:
    return name.split(".")[0] == "carbonwatch"


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree(module)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def quantities(module: str) -> Iterator[str]:
    """Names of fields, and of parameters of public functions, that are numbers with a fraction."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.AnnAssign):
            yield from _quantity(ast.unparse(node.target), node.annotation)
    for function in functions(module):
        if function.name == "__init__" or not function.name.startswith("_"):
            for argument in (*function.args.args, *function.args.kwonlyargs):
                yield from _quantity(argument.arg, argument.annotation)


def _quantity(name: str, annotation: ast.expr | None) -> Iterator[str]:
    kind = ast.unparse(annotation).removesuffix(" | None") if annotation else ""
    if kind in ("float", "Mapping[str, float]", "tuple[float, float]"):
        yield name.removeprefix("self.").lstrip("_")


def test_the_page_draws_the_layers_of_all_that_is_there() -> None:
    drawing = (TESTS.parent / "ARCHITECTURE.md").read_text().split("## Layers", 1)[1].split("\n\n")[2]
    drawn = [line.split() for line in drawing.splitlines()]
    here = {home(module) for module in modules()}

    assert drawn == [found for line in LAYERS.splitlines() if (found := [n for n in line.split() if n in here])]


@pytest.mark.parametrize("module", modules())
def test_imports_point_upwards(module: str) -> None:
    here = home(module)
    wrong = {name for name in imported(module) if home(name) != here and LEVEL[home(name)] >= LEVEL[here]}

    assert wrong == set()


def test_integrations_import_the_public_face_alone() -> None:
    integrations = [m for m in modules() if home(m) == "integrations"]

    assert {name for m in integrations for name in imported(m) if home(name) != "integrations"} <= {"__init__"}


@pytest.mark.parametrize("module", modules())
def test_a_module_says_why_it_exists_and_its_annotations_are_not_evaluated(module: str) -> None:
    _, *code = tree(module).body

    assert ast.get_docstring(tree(module))
    assert not code or module == "_version.py" or ast.unparse(code[0]) == "from __future__ import annotations"


@pytest.mark.parametrize("module", [m for m in modules() if m not in CODECARBON_ALONE])
def test_quantities_wear_their_unit(module: str) -> None:
    allowed = UNITLESS | (CODECARBON if module.startswith("codecarbon/") else set())
    bare = {name for name in quantities(module) if not name.endswith(UNITS) and name not in allowed}

    assert bare == set()


@pytest.mark.parametrize("module", modules())
def test_functions_are_short(module: str) -> None:
    long = [f.name for f in functions(module) if (f.end_lineno or 0) - f.lineno >= LONGEST_FUNCTION]

    assert long == []


@pytest.mark.parametrize("module", [m for m in modules() if home(m) not in ("cli", "__main__")])
def test_only_the_command_line_prints(module: str) -> None:
    calls = [ast.unparse(n.func) for n in ast.walk(tree(module)) if isinstance(n, ast.Call)]

    assert "print" not in calls
    assert "sys.exit" not in calls


@pytest.mark.parametrize("module", [m for m in modules() if home(m) not in ("cli", "__main__")])
def test_environ_is_passed_in_and_the_process_s_own_is_only_its_default(module: str) -> None:
    attributes = [n for n in ast.walk(tree(module)) if isinstance(n, ast.Attribute)]
    reads = {n.lineno for n in attributes if ast.unparse(n) in ("os.environ", "os.getenv")}
    takers = [f for f in functions(module) if "environ" in [a.arg for a in (*f.args.args, *f.args.kwonlyargs)]]
    inside = {line for f in takers for line in range(f.lineno, (f.end_lineno or 0) + 1)}

    assert reads - inside == set()


@pytest.mark.parametrize("module", modules())
def test_everything_is_swallowed_at_commented_borders_alone(module: str) -> None:
    lines = (SRC / module).read_text().splitlines()
    handlers = [n for n in ast.walk(tree(module)) if isinstance(n, ast.ExceptHandler)]
    broad = [h for h in handlers if h.type is None or ast.unparse(h.type) in ("Exception", "BaseException")]
    swallowing = [h for h in broad if not (isinstance(h.body[-1], ast.Raise) and h.body[-1].exc is None)]

    assert [h.lineno for h in swallowing if not lines[h.lineno - 2].strip().startswith("# border: ")] == []


def test_every_module_has_a_test_file_and_no_test_file_is_left_behind() -> None:
    tested = {p.relative_to(TESTS).as_posix().replace("test_", "", 1) for p in TESTS.rglob("test_*.py")}
    expected = {m for m in modules() if not Path(m).name.startswith("_")}  # those are tested where they are used

    assert expected - tested == set()
    assert {t for t in tested - set(modules()) if not {t, t.split("/")[0]} & OTHER_TESTS} == set()


def test_the_public_face_is_sorted_and_every_name_is_there() -> None:
    exported = carbonwatch.__all__

    assert exported == sorted(exported)
    assert dir(carbonwatch) == exported
    assert [name for name in exported if not hasattr(carbonwatch, name)] == []


def loaded_by(statement: str) -> set[str]:
    """Modules that a statement adds to a bare interpreter."""
    code = f"import sys; sys.path.insert(0, {str(SRC.parent)!r}); before = set(sys.modules); {statement}"
    answer = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*set(sys.modules) - before)"], capture_output=True, text=True, check=True
    )
    return set(answer.stdout.split())


def test_importing_carbonwatch_loads_next_to_nothing() -> None:
    assert loaded_by("import carbonwatch") == {"__future__", "carbonwatch", "carbonwatch._version"}


def test_a_tracker_s_import_loads_the_standard_library_alone_and_little_of_it() -> None:
    loaded = loaded_by("import carbonwatch.tracker, carbonwatch.codecarbon")
    families = {name.split(".")[0] for name in loaded}

    assert families - set(sys.stdlib_module_names) == {"carbonwatch"}
    assert loaded & (set(SLOW.split()) - TRACKER_NEEDS) == set()
