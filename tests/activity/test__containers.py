from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from carbonwatch.activity._containers import Group, Names, group_of

ID = "0123456789ab" + "c" * 52
USER = "user.slice/user-1000.slice/user@1000.service"


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("0::/\n", None),
        (f"0::/system.slice/docker-{ID}.scope\n", Group("docker", ID)),
        (f"5:cpu:/docker/{ID}\n0::/\n", Group("docker", ID)),
        (f"0::/{USER}/user.slice/docker-{ID}.scope\n", Group("docker", ID, 1000)),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", Group("podman", ID)),
        (f"0::/{USER}/user.slice/libpod-{ID}.scope\n", Group("podman", ID, 1000)),
        (f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope\n", Group("pod", ID)),
        (f"0::/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope\n", Group("pod", ID)),
        (f"4:memory:/kubepods/besteffort/pod1/{ID}\n", Group("pod", ID)),
        ("0::/lxc.payload.web/init.scope\n", Group("lxc", "web")),
        ("3:cpu:/lxc/web/system.slice/nginx.service\n", Group("lxc", "web")),
        ("0::/machine.slice/systemd-nspawn@build.service/payload\n", Group("nspawn", "build")),
        ("0::/machine.slice/machine-qemu\\x2d1\\x2dweb.scope/libvirt/vcpu0\n", Group("machine", "qemu-1-web")),
        ("0::/system.slice/nginx.service\n", Group("", "nginx")),
        (f"0::/{USER}/app.slice/app-x.scope\n", None),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", None),
        ("0::/machine.slice\n", None),
        ("", None),
    ],
)
def test_what_holds_a_process_is_told_by_its_control_group(text: str, group: Group | None) -> None:
    assert group_of(text) == group


def names(root: Path, **files: object) -> Names:
    """Of a machine with these files, where each user's folder is below /home."""
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content if isinstance(content, str) else json.dumps(content))
    return Names(str(root), lambda uid: (f"u{uid}", f"/home/u{uid}"))


def test_docker_s_name_is_in_the_container_s_config(tmp_path: Path) -> None:
    known = names(tmp_path, **{f"var/lib/docker/containers/{ID}/config.v2.json": {"ID": ID, "Name": "/web"}})

    assert known.of(Group("docker", ID)) == "docker web"


def test_a_user_s_container_has_the_user_s_name_too(tmp_path: Path) -> None:
    folder = "home/u1000/.local/share"
    known = names(
        tmp_path,
        **{
            f"{folder}/docker/containers/{ID}/config.v2.json": {"Name": "/web"},
            f"{folder}/containers/storage/overlay-containers/containers.json": [{"id": ID, "names": ["db"]}],
        },
    )

    assert known.of(Group("docker", ID, 1000)) == "docker u1000/web"
    assert known.of(Group("podman", ID, 1000)) == "podman u1000/db"


@pytest.mark.parametrize("file", ["containers.json", "volatile-containers.json"])
def test_podman_s_name_is_in_the_list_of_its_storage(tmp_path: Path, file: str) -> None:
    listed = [{"id": "other", "names": ["db"]}, {"id": ID, "names": ["web", "alias"]}]
    known = names(tmp_path, **{f"var/lib/containers/storage/overlay-containers/{file}": listed})

    assert known.of(Group("podman", ID)) == "podman web"


def test_kubernetes_pod_and_container_are_in_the_name_of_the_log(tmp_path: Path) -> None:
    known = names(tmp_path, **{f"var/log/containers/web-7f9c-x2x_shop_nginx-proxy-{ID}.log": ""})

    assert known.of(Group("pod", ID)) == "pod shop/web-7f9c-x2x nginx-proxy"


@pytest.mark.parametrize("content", ["", "[]", "no json", '{"Name": ""}'])
@pytest.mark.parametrize("kind", ["docker", "podman", "pod"])
def test_where_nothing_tells_a_name_it_is_the_beginning_of_the_id(tmp_path: Path, kind: str, content: str) -> None:
    known = names(
        tmp_path,
        **{
            f"var/lib/docker/containers/{ID}/config.v2.json": content,
            "var/lib/containers/storage/overlay-containers/containers.json": content,
            "var/log/containers/else.log": content,
        },
    )

    assert known.of(Group(kind, ID)) == f"{kind} 0123456789ab"
    assert Names(str(tmp_path / "none")).of(Group(kind, ID, 4711)) == f"{kind} 0123456789ab"


@pytest.mark.parametrize("listed", ["[" * 100_000, [{"id": ID, "names": 5}], [{"id": ID, "names": []}], ["x"], {}])
def test_what_a_user_has_put_there_to_mislead_names_nothing(tmp_path: Path, listed: object) -> None:
    storage = "home/u1000/.local/share/containers/storage/overlay-containers"
    known = names(tmp_path, **{f"{storage}/containers.json": listed})
    os.mkfifo(tmp_path / storage / "volatile-containers.json")

    assert known.of(Group("podman", ID, 1000)) == "podman 0123456789ab"


def test_a_name_is_looked_up_once(tmp_path: Path) -> None:
    known = names(tmp_path, **{f"var/lib/docker/containers/{ID}/config.v2.json": {"Name": "/web"}})
    known.of(Group("docker", ID))
    (tmp_path / "var/lib/docker/containers" / ID / "config.v2.json").unlink()

    assert known.of(Group("docker", ID)) == "docker web"


def test_what_has_a_name_already_keeps_it(tmp_path: Path) -> None:
    groups = [Group("lxc", "web"), Group("machine", "qemu-1-web"), Group("", "nginx"), None]

    assert [Names(str(tmp_path)).of(group) for group in groups] == ["lxc web", "machine qemu-1-web", "nginx", ""]
