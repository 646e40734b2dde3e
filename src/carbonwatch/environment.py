"""Facts noted with a run: system, hardware, virtual machine, container, job, command and git commit.

Everything is read from files and the process itself, in less than 3 ms: no program is started, no network is asked.
None means not known. What looks like a secret in the command is masked, and no environment variable is kept but the ids
of jobs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from carbonwatch.settings import Settings

COMMAND_LENGTH = 500

# fact -> the environment variable that holds it
_JOBS = {
    "slurm_job_id": "SLURM_JOB_ID",
    "slurm_step_id": "SLURM_STEP_ID",
    "slurm_array_task_id": "SLURM_ARRAY_TASK_ID",
    "slurm_rank": "SLURM_PROCID",
    "pbs_job_id": "PBS_JOBID",
    "lsf_job_id": "LSB_JOBID",
    "flux_job_id": "FLUX_JOB_ID",
    "oar_job_id": "OAR_JOB_ID",
    "aws_batch_job_id": "AWS_BATCH_JOB_ID",
    "ray_job_id": "RAY_JOB_ID",
    "jenkins_build": "BUILD_TAG",
    "github_run_id": "GITHUB_RUN_ID",
    "gitlab_job_id": "CI_JOB_ID",
}
# words of DMI's vendor and product -> what runs the virtual machine
_VENDORS = {
    "amazon ec2": "amazon",
    "google": "google",
    "microsoft corporation": "hyperv",
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "innotek": "virtualbox",
    "parallels": "parallels",
    "xen": "xen",
    "apple": "apple",
    "bhyve": "bhyve",
    "qemu": "kvm",
    "kvm": "kvm",
    "openstack": "kvm",
    "digitalocean": "kvm",
    "hetzner": "kvm",
    "alibaba cloud": "kvm",
}
_CLOCKS = {"kvm-clock": "kvm", "hyperv_clocksource": "hyperv", "xen": "xen"}
_SECRETS = frozenset(("pwd", "credential", "credentials", "auth", "authorization", "bearer"))
_SECRET_ENDS = ("token", "password", "passwd", "passphrase", "secret", "apikey", "accesskey", "privatekey")
_TOKEN_STARTS = (
    "hf_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "sk-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "eyJ",
    "dckr_pat_",
)


def facts(
    settings: Settings,
    version: str,
    *,
    environ: Mapping[str, str] | None = None,
    argv: Sequence[str] | None = None,
    folder: str | None = None,
    root: str = "/",
) -> dict[str, Any]:
    """What is known about where and how a run happens; ids of jobs only where there are any."""
    environ = os.environ if environ is None else environ
    cpuinfo = _read(settings.path_procfs, "cpuinfo")
    return {
        "version": version,
        "python_version": sys.version.split()[0],
        "os": _system(),
        "host": _host(),
        "cpu_count": os.cpu_count(),
        "cpu_model": _cpu_model(cpuinfo),
        "cpu_sockets": _sockets(cpuinfo, os.cpu_count() or 1),
        "ram_total_gb": _ram_total_gb(settings.path_procfs),
        "virtualisation": virtualisation(settings, cpuinfo),
        "container": container(settings.path_procfs, environ, root),
        "command": command(getattr(sys, "argv", ()) if argv is None else argv),
        "git_commit": git_commit(folder),
        **({"tags": list(settings.tags)} if settings.tags else {}),
        **_jobs(environ),
    }


def _system() -> str:
    """As platform.platform(), which takes 20 ms where its parts are at hand."""
    if sys.platform != "linux":
        import platform

        return platform.platform()
    name = os.uname()
    try:
        libc = "-with-" + (os.confstr("CS_GNU_LIBC_VERSION") or "").replace(" ", "")
    except (OSError, ValueError):
        libc = ""
    return f"{name.sysname}-{name.release}-{name.machine}{libc}"


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform

    return platform.node()


def _cpu_model(cpuinfo: str) -> str | None:
    """What the processor calls itself; on ARM the numbers of its maker and part."""
    found = dict(_pairs(cpuinfo))
    for key in ("model name", "cpu model", "Hardware", "cpu"):
        if found.get(key):
            return found[key]
    if "CPU part" in found:
        return f"ARM implementer {found.get('CPU implementer', '?')} part {found['CPU part']}"
    if sys.platform == "linux":
        return None
    import platform

    return platform.processor() or platform.machine() or None


def _sockets(cpuinfo: str, cpus: int) -> int | None:
    """How many processors there are; in a virtual machine, as it was told. None where nothing tells, as on ARM."""
    siblings = dict(_pairs(cpuinfo.partition("\n\n")[0])).get("siblings", "")
    return max(1, round(cpus / int(siblings))) if siblings.isdecimal() and int(siblings) else None


def _pairs(cpuinfo: str) -> Iterator[tuple[str, str]]:
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        yield key.strip(), value.strip()


def _ram_total_gb(path_procfs: str) -> float | None:
    """In units of 2**30 bytes."""
    words = _read(path_procfs, "meminfo").split()
    try:
        return round(int(words[words.index("MemTotal:") + 1]) / (1 << 20), 2)
    except (ValueError, IndexError):
        pass
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30), 2)
    except (AttributeError, OSError, ValueError):  # Windows
        return None


def virtualisation(settings: Settings, cpuinfo: str) -> str | None:
    """What runs the virtual machine that this is; "none" on a machine of its own."""
    tree = _read(settings.path_procfs, "device-tree", "hypervisor", "compatible")
    if tree:  # ARM has no flag
        return "kvm" if "kvm" in tree else tree.split(",")[0].strip("\0")
    flags = next((value.split() for key, value in _pairs(cpuinfo) if key == "flags"), None)
    kernel = _read(settings.path_procfs, "sys", "kernel", "osrelease").lower()
    if "microsoft" in kernel:
        return "wsl"
    named = _by_vendor(settings.path_sysfs)
    if flags is None:
        return named if named in ("kvm", "xen", "vmware", "virtualbox", "parallels") else None
    if "hypervisor" not in flags:
        return "none"
    return named or _by_clock(settings.path_sysfs) or "unknown"


def _by_vendor(path_sysfs: str) -> str | None:
    kind = _read(path_sysfs, "hypervisor", "type").strip()
    if kind:
        return kind
    text = " ".join(_read(path_sysfs, "class", "dmi", "id", name) for name in ("sys_vendor", "product_name")).lower()
    return next((name for words, name in _VENDORS.items() if words in text), None)


def _by_clock(path_sysfs: str) -> str | None:
    """Small virtual machines have no DMI, but the clock of their host."""
    text = _read(path_sysfs, "devices", "system", "clocksource", "clocksource0", "available_clocksource")
    return next((name for clock, name in _CLOCKS.items() if clock in text), None)


def container(path_procfs: str, environ: Mapping[str, str], root: str = "/") -> str | None:
    """What runs the container that this is, whether or not in a virtual machine; "none" outside any."""
    if "KUBERNETES_SERVICE_HOST" in environ:
        return "kubernetes"
    if os.path.exists(os.path.join(root, ".dockerenv")):
        return "docker"
    if os.path.exists(os.path.join(root, "run", ".containerenv")):
        return "podman"
    if "APPTAINER_CONTAINER" in environ or "SINGULARITY_CONTAINER" in environ:
        return "apptainer"
    groups = _read(path_procfs, "1", "cgroup")
    for name in ("kubepods", "docker", "lxc", "containerd", "libpod"):
        if f"/{name}" in groups:
            return {"kubepods": "kubernetes", "libpod": "podman"}.get(name, name)
    return "none"


def _jobs(environ: Mapping[str, str]) -> dict[str, str]:
    found = {fact: environ[name] for fact, name in _JOBS.items() if environ.get(name)}
    if environ.get("SGE_ROOT") and environ.get("JOB_ID"):  # a name that others may use, too
        found["sge_job_id"] = environ["JOB_ID"]
    if "KUBERNETES_SERVICE_HOST" in environ and environ.get("HOSTNAME"):
        found["kubernetes_pod"] = environ["HOSTNAME"]
    return found


def command(argv: Sequence[str]) -> str:
    """The command line, what looks like a secret masked, cut at 500 characters."""
    shown, hide_next = [], False
    for word in argv:
        if hide_next and not word.startswith("--"):
            shown.append("***")
            hide_next = False
        else:
            text, hide_next = _masked(word)
            shown.append(text)
    # arguments that are no text would not be taken by what keeps them
    return " ".join(shown)[:COMMAND_LENGTH].encode(errors="replace").decode()


def _masked(word: str) -> tuple[str, bool]:
    """An argument without its secrets, and whether it announces that the next one is a secret."""
    word = _without_login(word)
    if word.startswith(_TOKEN_STARTS) and len(word) >= 16:
        return "***", False
    begin = 0
    for end, sign in enumerate(word + "\0"):
        if sign.isalnum() or sign in "_-.":
            continue
        if _is_secret(word[begin:end]) and sign in "=: \0":
            rest = word[end + 1 :]
            return (word[: end + 1] + "***", False) if rest.strip() else (word, True)
        if word[end + 1 :].startswith(_TOKEN_STARTS) and len(word) - end > 16:
            return word[: end + 1] + "***", False
        begin = end + 1
    return word, False


def _is_secret(name: str) -> bool:
    """--token, HF_TOKEN, api-key, db.password; not --max-tokens or --tokenizer."""
    words = "".join(sign if sign.isalnum() else " " for sign in name.lower()).split()
    return words[-1:] == ["key"] or any(word in _SECRETS or word.endswith(_SECRET_ENDS) for word in words)


def _without_login(word: str) -> str:
    """An address without the user's name and password in it."""
    scheme, mark, rest = word.partition("://")
    login, at, host = rest.rpartition("@")
    # an @ may stand in a path too
    if not mark or not at or ("/" in login and ":" not in login):
        return word
    return f"{scheme}://***@{host}"


def git_commit(folder: str | None = None) -> str | None:
    """The commit checked out in a folder or above it, read from git's files."""
    try:
        git = git_folder(os.getcwd() if folder is None else folder)
    except OSError:  # the working directory was deleted
        return None
    head = _read(git, "HEAD").strip() if git else ""
    if git is None or not head.startswith("ref:"):
        return _as_commit(head)
    name = head[4:].strip()
    # a worktree keeps its branches in the main one's folder
    common = os.path.join(git, _read(git, "commondir").strip())
    for place in (git, common):
        commit = _as_commit(_read(place, name).strip())
        if commit:
            return commit
    return _packed(common, name)


def git_folder(folder: str) -> str | None:
    """Where git keeps what it knows of a folder; None where it is in no repository."""
    while True:
        git = os.path.join(folder, ".git")
        if os.path.isdir(git):
            return git
        if os.path.isfile(git):  # a worktree or submodule: "gitdir: <path>"
            return os.path.join(folder, _read(git).partition(":")[2].strip())
        if os.path.dirname(folder) == folder:
            return None
        folder = os.path.dirname(folder)


def _packed(git: str, name: str) -> str | None:
    text = _read(git, "packed-refs", size=1 << 20)
    end = text.find(f" {name}\n")
    return _as_commit(text[text.rfind("\n", 0, end) + 1 : end]) if end >= 0 else None


def _as_commit(text: str) -> str | None:
    return text if len(text) in (40, 64) and not set(text) - set("0123456789abcdef") else None


def _read(*parts: str, size: int = 4096) -> str:
    """The beginning of a file: /proc/cpuinfo takes long to be made whole. Empty where it can't be read."""
    try:
        with open(os.path.join(*parts), "rb", buffering=0) as file:
            return (file.read(size) or b"").decode(errors="replace")
    except (OSError, ValueError):
        return ""
