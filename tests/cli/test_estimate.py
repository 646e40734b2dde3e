import argparse
import csv
import io
import json
from pathlib import Path

import pytest

from carbonwatch.cli import estimate
from carbonwatch.errors import SettingsError


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    estimate.add_arguments(parser)
    return estimate.main(parser.parse_args(words))


def test_one_machine_is_a_line_a_load_then_tier_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    code = run("--cpu", "Xeon Platinum 8380", "--sockets", "2", "--ram", "512", "--load", "0.7", "--boundary", "node")
    lines = capsys.readouterr().out.splitlines()

    assert code == 0
    assert lines[0].split() == ["load", "watts", "80", "%", "within", "95", "%", "within"]
    assert lines[1].split()[0] == "70%"
    assert [line.split()[0] for line in lines[3:]] == ["boundary", "tier", "because", "note", "narrower"]
    assert "icelake-sp by the digits of its model" in lines[5]


def test_json_has_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    run("--cpu", "Xeon Platinum 8380", "--sockets", "2", "--ram", "512", "--load", "0.7", "--vcpus", "8", "--json")
    found = json.loads(capsys.readouterr().out)

    assert found["lo95"] < found["lo80"] < found["watts"] < found["hi80"] < found["hi95"]
    assert (found["tier"], found["load"], found["boundary"]) == ("A", 0.7, "components")
    assert "8 of 160 threads" in found["reason"]


def test_what_making_the_machine_emitted_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    run("--cpu", "Xeon Platinum 8380", "--sockets", "2", "--ram", "512", "--hours", "8766")
    last = capsys.readouterr().out.splitlines()[-1]

    assert last.startswith("embodied  472 kg CO2e in 8766 h, 236 kg to 945 kg; not part of the watts")


def test_a_guest_has_its_share_of_what_making_its_host_emitted(capsys: pytest.CaptureFixture[str]) -> None:
    run("--cpu", "Xeon Platinum 8380", "--vcpus", "16", "--ram", "51.2", "--hours", "8766", "--json")
    found = json.loads(capsys.readouterr().out)["embodied"]

    assert found["share_g"]["value"] == pytest.approx(472_360 / 10, rel=0.001)


def test_a_file_of_machines_is_a_line_for_each_and_each_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "servers.csv"
    path.write_text(
        "id,cpu_name,sockets,cores,threads,mem_gb,watts_0\n"
        "a,Intel Xeon Platinum 8380,2.0,80.0,160.0,256.0,100\n"
        "b,,,,,,\n"
        '"c,d",AMD EPYC,2,1,0,n/a,\n'
    )
    code = run("--csv", str(path), "--loads", "0,50,100", "--boundary", "node")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    assert code == 0
    assert list(rows[0]) == ["id", "load", "watts", "lo80", "hi80", "lo95", "hi95", "tier"]
    assert [(row["id"], row["load"], row["tier"]) for row in rows] == [
        (id_, load, tier) for id_, tier in (("a", "A"), ("b", "D"), ("c,d", "C")) for load in ("0", "50", "100")
    ]
    for row in rows:
        ends = [float(row[name]) for name in ("lo95", "lo80", "watts", "hi80", "hi95")]
        assert ends == sorted(ends)


def test_columns_may_be_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "names.csv").write_text("cpu_name\nEPYC 9654\n")
    run("--csv", str(tmp_path / "names.csv"), "--load", "1")

    assert capsys.readouterr().out.splitlines()[1].startswith("1,100,")


@pytest.mark.parametrize(
    ("text", "loads"),
    [
        ("0,50,100", [0, 50, 100]),
        ("0,10,...,100", [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]),
        ("0, 25, …, 100", [0, 25, 50, 75, 100]),
        ("70%", [70]),
    ],
)
def test_three_dots_go_on_in_steps(text: str, loads: list[float]) -> None:
    assert estimate.percents(text) == loads


@pytest.mark.parametrize("text", ["", "a", "0,...,100", "0,10,...", "-1", "101", "nan"])
def test_loads_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--loads"):
        estimate.percents(text)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read as CSV"):
        run("--csv", str(tmp_path / "none.csv"))


def test_what_a_cloud_sells_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    code = run("--instance", "aws/m5.xlarge", "--load", "0.3", "--hours", "720")
    text = capsys.readouterr().out

    assert code == 0
    assert "sold as aws/m5.xlarge" in text
    assert "embodied  1.46 kg CO2e in 720 h" in text


NAME = "Intel® Xeon® Platinum 8380"


@pytest.mark.parametrize(
    "content",
    [
        f"id,cpu_name,sockets,mem_gb\na,{NAME},2,512\n".encode(),
        f"id,cpu_name,sockets,mem_gb\na,{NAME},2,512\n".encode("utf-8-sig"),
        f"id,cpu_name,sockets,mem_gb\r\na,{NAME},2,512\r\n".encode("utf-16"),
        f"id,cpu_name,sockets,mem_gb\na,{NAME},2,512".encode("cp1252"),
        f"\nid,cpu_name,sockets,mem_gb\n\n,,,\na,{NAME},2,512\n\n  \n".lstrip().encode(),
        f"ID; CPU_Name ;Sockets;mem_gb\na;{NAME};2;512,0\n".encode(),
        f"id,cpu_name,sockets,mem_gb\na,{NAME}\0,2,512,more,and more\n".encode(),
    ],
)
def test_a_file_is_read_however_it_was_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / "servers.csv").write_bytes(content)
    run("--csv", str(tmp_path / "servers.csv"), "--loads", "50", "--boundary", "node")
    lines = capsys.readouterr().out.splitlines()
    run(
        "--cpu", "Xeon Platinum 8380", "--sockets", "2", "--ram", "512", "--load", "0.5", "--boundary", "node", "--json"
    )

    assert len(lines) == 2
    assert lines[1].startswith(f"a,50,{json.loads(capsys.readouterr().out)['watts']:.2f},")


def test_an_empty_file_is_no_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.csv").write_bytes(b"")
    run("--csv", str(tmp_path / "none.csv"))

    assert capsys.readouterr().out.splitlines() == ["id,load,watts,lo80,hi80,lo95,hi95,tier"]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("name,price\nshoe,3\n")

    with pytest.raises(SettingsError, match="has none of the columns id, cpu_name"):
        run("--csv", str(tmp_path / "other.csv"))
