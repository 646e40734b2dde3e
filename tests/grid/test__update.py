from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from carbonwatch import tables
from carbonwatch.errors import GridUnavailable
from carbonwatch.grid._update import NOTICE, TABLES, fetch, undo
from tests.grid.conftest import Source

DAY = "2027-05-01"
NAMES = (*(f"{table}.csv" for table in TABLES), NOTICE)


def packed(change: Callable[[str, str], str] = lambda _, text: text, day: str = DAY, without: str = "") -> bytes:
    """A release of the tables as they are, changed file by file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in NAMES:
            if name != without:
                archive.writestr(name, change(name, Path(tables.BUNDLED, name).read_text(encoding="utf-8")))
        archive.writestr(tables.EDITION, f"{day}\n")
    return stream.getvalue()


def in_table(table: str, old: str, new: str) -> Callable[[str, str], str]:
    def change(name: str, text: str) -> str:
        assert name != f"{table}.csv" or old in text
        return text.replace(old, new, 1) if name == f"{table}.csv" else text

    return change


def publish(source: Source, content: bytes, sha256: str | None = None) -> str:
    found = hashlib.sha256(content).hexdigest() if sha256 is None else sha256
    source.answer("/grid-tables.zip.sha256", f"{found}  grid-tables.zip\n".encode())
    source.answer("/grid-tables.zip", content)
    source.answers = dict(sorted(source.answers.items()))  # the last whose beginning fits is the answer
    return f"{source.url}/grid-tables.zip"


def refused(tmp_path: Path, url: str, sha256: str | None = None) -> str:
    with pytest.raises(GridUnavailable) as caught:
        fetch(str(tmp_path / "tables"), url, sha256)
    assert os.listdir(tmp_path) == []
    return str(caught.value)


def test_a_release_is_put_into_the_folder_whole(tmp_path: Path, source: Source) -> None:
    url = publish(source, packed(in_table("countries", "Andorra,,153.6", "Andorra,,99.5")))
    day = fetch(str(tmp_path / "tables"), url)

    assert day == DAY
    assert sorted(os.listdir(tmp_path / "tables")) == sorted([*NAMES, tables.EDITION])
    assert "Andorra,,99.5" in (tmp_path / "tables" / "countries.csv").read_text()
    assert os.listdir(tmp_path) == ["tables"]


def test_a_newer_release_takes_the_place_of_an_older_one(tmp_path: Path, source: Source) -> None:
    folder = str(tmp_path / "tables")
    fetch(folder, publish(source, packed()))

    assert fetch(folder, publish(source, packed(day="2028-05-01"))) == "2028-05-01"
    assert undo(folder) == "2028-05-01"
    assert os.listdir(tmp_path) == []


def test_where_nothing_was_fetched_there_is_nothing_to_undo(tmp_path: Path) -> None:
    assert undo(str(tmp_path / "tables")) == ""


def test_a_wrong_checksum_is_refused(tmp_path: Path, source: Source) -> None:
    assert "its SHA-256 is" in refused(tmp_path, publish(source, packed(), "0" * 64))


def test_what_is_no_checksum_is_not_repeated(tmp_path: Path, source: Source) -> None:
    assert "what it should be is no SHA-256" in refused(tmp_path, publish(source, packed(), "\x00<html>"))


def test_a_checksum_that_the_user_gives_comes_before_the_published_one(tmp_path: Path, source: Source) -> None:
    assert "its SHA-256 is" in refused(tmp_path, publish(source, packed()), "f" * 64)


def test_a_truncated_download_is_refused(tmp_path: Path, source: Source) -> None:
    whole = packed()

    assert "damaged" in refused(tmp_path, publish(source, whole[:-100], hashlib.sha256(whole).hexdigest()))


def test_what_is_not_there_is_said(tmp_path: Path, source: Source) -> None:
    assert "could not be fetched (HTTP Error 404" in refused(tmp_path, f"{source.url}/none.zip")
    assert "no address of the web" in refused(tmp_path, "file:///etc/passwd")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no archive", "it is no set of tables"),
        (packed(without="countries.csv"), "it is no set of tables"),
        (packed(without=NOTICE), "it is no set of tables"),
        (packed(day="soon"), "which is no day"),
        (packed(in_table("countries", "g_per_kwh", "g_per_mwh")), "countries has no column g_per_kwh"),
        (packed(in_table("countries", "Andorra,,153.6", "Andorra,,-5")), "g_per_kwh of AD in countries is '-5'"),
        (packed(in_table("countries", "Andorra,,153.6", "Andorra,,nan")), "is 'nan'"),
        (packed(in_table("countries", "Andorra,,153.6", "Andorra,,")), "is ''"),
        (packed(in_table("countries", "Andorra,,153.6", "Andorra,153.6")), "is torn"),
        (packed(in_table("countries", "\nAE,", "\nAD,")), "or its code comes twice"),
        (packed(in_table("countries", "\nAE,", "\nQQ,")), "countries are missing"),
        (packed(in_table("subnational", "Alabama,365.3", "Alabama,much")), "lifecycle_g_per_kwh of US-AL"),
        (packed(in_table("electricity_mix", "AE,2022,0,", "AE,2022,-1,")), "coal_twh of AE in electricity_mix is '-1'"),
        (packed(lambda name, text: text[:2000] if name == "cloud_regions.csv" else text), "cloud_regions"),
    ],
)
def test_tables_that_make_no_sense_are_refused(tmp_path: Path, source: Source, content: bytes, why: str) -> None:
    assert why in refused(tmp_path, publish(source, content))


def test_what_was_in_use_stays_when_a_newer_one_is_refused(tmp_path: Path, source: Source) -> None:
    folder = str(tmp_path / "tables")
    fetch(folder, publish(source, packed()))

    with pytest.raises(GridUnavailable):
        fetch(folder, publish(source, b"no archive"))
    assert undo(folder) == DAY


def test_a_folder_that_can_t_be_written_is_said(tmp_path: Path, source: Source) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(GridUnavailable, match="can't be written"):
        fetch(str(tmp_path / "file" / "tables"), publish(source, packed()))
