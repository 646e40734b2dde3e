import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbonwatch import plugins
from carbonwatch.errors import Unavailable
from carbonwatch.sensors import ram_model


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder of installed packages."""
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))


def install(site: Path, module: str, source: str, entry_points: str) -> None:
    """A package of somebody else's, as pip leaves it: a module, and what it declares."""
    (site / f"{module}.py").write_text(source)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def test_a_file_of_ours_is_the_plugin_of_its_name() -> None:
    assert plugins.load("sensors", "ram_model") is ram_model.detect


def test_a_name_that_nobody_has_is_unavailable_with_the_names_that_there_are() -> None:
    with pytest.raises(Unavailable) as caught:
        plugins.load("sensors", "rapl")

    assert caught.value.reason == "There is no sensor called 'rapl'."
    assert "cpu_model, " in caught.value.remedy
    assert "rapl_powercap" in caught.value.remedy


@pytest.mark.parametrize("name", ["_counter", "__init__", "", ".", "../tracker", "cpu_model.detect", "cpu_model.py"])
def test_only_a_whole_public_file_name_is_a_plugin(name: str) -> None:
    with pytest.raises(Unavailable):
        plugins.load("sensors", name)


def test_an_installed_package_adds_a_plugin_by_one_function_and_one_line(site: Path) -> None:
    install(
        site,
        "solar_meter",
        "def detect(settings):\n    return 'a meter'\n",
        "[carbonwatch.sensors]\nsolar = solar_meter:detect\n",
    )

    assert plugins.load("sensors", "solar")(None) == "a meter"
    assert plugins.names("sensors") == sorted([*plugins.own_names("sensors"), "solar"])


def test_a_foreign_plugin_is_known_to_its_own_kind_alone(site: Path) -> None:
    install(site, "solar_two", "def detect(settings): ...\n", "[carbonwatch.sensors]\nsolar = solar_two:detect\n")

    with pytest.raises(Unavailable, match="no activity called 'solar'"):
        plugins.load("activity", "solar")


def test_a_foreign_plugin_of_our_name_does_not_take_its_place(site: Path) -> None:
    install(
        site, "imposter", "raise SystemError('never imported')\n", "[carbonwatch.sensors]\nram_model = imposter:f\n"
    )

    assert plugins.load("sensors", "ram_model") is ram_model.detect
    assert plugins.names("sensors") == plugins.own_names("sensors")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("broken_import", "import a_module_that_is_not_here\n"),
        ("broken_code", "1 / 0\n"),
        ("without_function", ""),
    ],
)
def test_a_foreign_plugin_that_can_t_be_imported_is_unavailable(site: Path, module: str, source: str) -> None:
    install(site, module, source, f"[carbonwatch.sensors]\nbroken = {module}:detect\n")

    with pytest.raises(Unavailable, match=rf"'broken' of carbonwatch.sensors \({module}:detect\) can't be imported"):
        plugins.load("sensors", "broken")


@pytest.mark.parametrize("kind", sorted(plugins.SHAPES))
def test_every_plugin_of_ours_has_the_function_of_its_kind(kind: str) -> None:
    found = {name: plugins.load(kind, name) for name in plugins.own_names(kind)}

    assert {name: function.__name__ for name, function in found.items()} == dict.fromkeys(found, plugins.SHAPES[kind])
    assert all(function.__module__ == f"carbonwatch.{kind}.{name}" for name, function in found.items())
    assert found
