"""requirements/ fits pyproject.toml: every dependency within its bounds, every version with hashes, and no index."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES = sorted((ROOT / "requirements").glob("*.txt"))
GROUPS = PROJECT["dependency-groups"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
EXTRA = EXTRAS["sweep"]
WANTED = {
    "cuda12": PROJECT["project"]["dependencies"] + EXTRA + GROUPS["cuda12"],
    "cuda13": PROJECT["project"]["dependencies"] + EXTRA + GROUPS["cuda13"],
    "torch-cuda12": GROUPS["cuda12"],
    "torch-cuda13": GROUPS["cuda13"],
    "tools": EXTRAS["onnx"] + GROUPS["dev"] + GROUPS["docs"] + GROUPS["lint"],
}
SUPPORTED = [
    {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux", "os_name": "posix",
     "platform_machine": machine, "platform_system": "Linux", "implementation_name": "cpython",
     "platform_python_implementation": "CPython", "extra": ""}
    for python in ("3.11", "3.12", "3.13") for machine in ("x86_64", "aarch64")
]  # fmt: skip


def entries(text):
    """The requirements of a file: each with its hashes."""
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    for line in filter(None, map(str.strip, joined.splitlines())):
        requirement, *hashes = re.split(r"\s+--hash=", line)
        yield Requirement(requirement), hashes


def pinned(name, machine):
    """Canonical name -> version of what a file installs on a machine."""
    found = {}
    for requirement, _ in entries((ROOT / "requirements" / f"{name}.txt").read_text()):
        if requirement.marker is None or requirement.marker.evaluate(machine):
            key = canonicalize_name(requirement.name)
            assert key not in found, f"{key} twice"
            (one,) = requirement.specifier
            assert one.operator == "==" and "*" not in one.version
            found[key] = one.version
    return found


def test_the_files_are_those_of_the_image_and_ci():
    assert {path.stem for path in FILES} == set(WANTED)
    dockerfile, sync = (ROOT / "Dockerfile").read_text(), (ROOT / ".ci" / "sync").read_text()
    assert "COPY requirements ./" in dockerfile and dockerfile.count("--require-hashes") == 2
    assert (
        "requirements/cuda${CUDA:-13}.txt" in sync and "requirements/tools.txt" in sync and "--require-hashes" in sync
    )
    assert "uv.lock" in (ROOT / ".gitignore").read_text().split()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_holds_versions_with_hashes_and_names_no_index(path):
    text = path.read_text()
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host|^-|\bgit\+|\bfile:", text, flags=re.M)
    found = list(entries(text))
    assert found
    for requirement, hashes in found:
        assert requirement.url is None and not requirement.extras
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), requirement.name
        assert len(set(hashes)) == len(hashes)
    assert [str(one.name) for one, _ in found] == sorted(str(one.name) for one, _ in found)


@pytest.mark.parametrize("machine", SUPPORTED, ids=lambda one: f"{one['python_version']}-{one['platform_machine']}")
@pytest.mark.parametrize("name", WANTED)
def test_every_dependency_is_there_within_its_bounds(name, machine):
    versions = pinned(name, machine)
    for wanted in map(Requirement, WANTED[name]):
        assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), wanted


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_of_the_day_that_the_project_names(path):
    day = PROJECT["tool"]["uv"]["exclude-newer"][:10]
    assert f"exclude-newer {day}." in path.read_text().splitlines()[0], "run .ci/requirements"


@pytest.mark.parametrize("cuda", ["12", "13"])
@pytest.mark.parametrize("machine", SUPPORTED, ids=lambda one: f"{one['python_version']}-{one['platform_machine']}")
def test_the_layers_and_the_tools_agree(cuda, machine):
    torch, everything, tools = (pinned(name, machine) for name in (f"torch-cuda{cuda}", f"cuda{cuda}", "tools"))
    assert torch.items() <= everything.items()
    assert not {name for name in tools.keys() & everything.keys() if tools[name] != everything[name]}


@pytest.mark.parametrize("name", ["cuda13", "tools"])
def test_what_a_pinned_version_needs_is_pinned_too(name):
    """As far as the versions are installed here, whose own words say what they need."""
    machine = SUPPORTED[0]
    versions, seen = pinned(name, machine), 0
    together = pinned("cuda13", machine)  # .ci/sync installs the tools together with it
    for one, version in versions.items():
        try:
            installed = importlib.metadata.distribution(one)
        except importlib.metadata.PackageNotFoundError:
            continue
        if installed.version.partition("+")[0] != version:
            continue
        seen += 1
        for needed in map(Requirement, installed.requires or []):
            if needed.marker is None or needed.marker.evaluate(machine):
                there = (together | versions).get(canonicalize_name(needed.name))
                assert there and needed.specifier.contains(there, prereleases=True), f"{one} needs {needed}"
    if seen == 0:
        pytest.skip("no such version is installed here")


SYNTAX, UV_IMAGE, PYTHON = "docker/dockerfile:1", "ghcr.io/astral-sh/uv:0.13.8", "python:3.13-slim-trixie"
DIGESTS = {PYTHON: "a" * 64, UV_IMAGE: "b" * 64, SYNTAX: "c" * 64}
TEXT = f"""\
# syntax=docker/dockerfile:1
FROM ghcr.io/astral-sh/uv:0.13.8@sha256:{"0" * 64} AS uv
FROM python:3.13-slim-trixie AS lists
FROM --platform=linux/amd64 python:3.13-slim-trixie
FROM python:3X13-slim-trixie AS other
FROM lists AS image
COPY --from=lists /x /x
"""


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Sets what docker says of each image: text, or nothing and a failure."""

    def answers(said):
        cases = "".join(f"  {image}) echo '{text}' ;;\n" for image, text in said.items())
        (tmp_path / "docker").write_text(f'#!/bin/sh\ncase $4 in\n{cases}  *) echo "no route" >&2; exit 1 ;;\nesac\n')
        (tmp_path / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return answers


def proposed(tmp_path, text=TEXT):
    """The Dockerfile after .ci/digests, and what that printed."""
    (tmp_path / "Dockerfile").write_text(text)
    command = [str(ROOT / ".ci" / "digests"), str(tmp_path / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (tmp_path / "Dockerfile").read_text(), done.stdout


def test_each_image_gets_the_digest_that_its_registry_gives(tmp_path, registry):
    registry({image: f'{{"digest": "sha256:{digest}", "size": 1}}' for image, digest in DIGESTS.items()})
    text, said = proposed(tmp_path)
    expected = TEXT.replace(f"@sha256:{'0' * 64}", "").splitlines()
    for number, image in enumerate((SYNTAX, UV_IMAGE, PYTHON, PYTHON)):
        expected[number] = expected[number].replace(image, f"{image}@sha256:{DIGESTS[image]}")
    assert text.splitlines() == expected and said.count("read: ") == 3 and said.count("kept: ") == 1
    assert proposed(tmp_path, text)[0] == text


ANSWERS = ["", "not json", '{"digest": "sha256:123"}', '{"digest": "' + "a" * 64 + '"}', '{"size": 1}', "null",
           '{"digest": "sha256:' + "A" * 64 + '"}', '{"digest": "sha256:' + "a" * 64 + ' x"}']  # fmt: skip


@pytest.mark.parametrize("answer", [None, *(pytest.param(answer, marks=pytest.mark.slow) for answer in ANSWERS)])
def test_without_a_digest_from_the_registry_the_line_stays_as_it_is(tmp_path, registry, answer):
    registry({} if answer is None else dict.fromkeys(DIGESTS, answer))
    text, said = proposed(tmp_path)
    assert text == TEXT and said.count("kept: ") == 4 and "read: " not in said


def test_without_docker_nothing_is_written(tmp_path, monkeypatch):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "sed", "sort", "dirname", "env", "python3"):
        (tools / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(tools))
    text, said = proposed(tmp_path)
    assert text == TEXT and said.count("kept: ") == 4


def test_a_digest_in_the_dockerfile_stands_behind_a_tag():
    """Which one it is, its registry alone can say; `.ci/digests` writes it in the user's GitHub."""
    for line in re.findall(r"^FROM .*@.*$", (ROOT / "Dockerfile").read_text(), flags=re.M):
        assert re.fullmatch(r"FROM [\w./-]+:[\w.-]+@sha256:[0-9a-f]{64} AS \w+", line)


UV = """#!/bin/sh
case $1 in
  export) echo 'one==1.0 \\'; echo '    --hash=sha256:'"$(printf '%064d' 1)" ;;
esac
"""


def test_the_lock_proposes_versions_hashes_and_digests_in_one_request(tmp_path, registry, monkeypatch):
    registry({image: f'{{"digest": "sha256:{digest}"}}' for image, digest in DIGESTS.items()})
    for name, text in (("uv", UV), ("gh", f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\necho 0\n')):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    for part in (".ci", "requirements"):
        shutil.copytree(ROOT / part, work / part)
    for part in ("pyproject.toml", "Dockerfile", ".gitignore"):
        shutil.copy(ROOT / part, work / part)
    pyproject = (work / "pyproject.toml").read_text()
    (work / "pyproject.toml").write_text(re.sub(r'(?m)^exclude-newer = "\d{4}', 'exclude-newer = "2001', pyproject))
    for name in ("NAME", "EMAIL"):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", "a@b")
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", "a@b")

    def git(*words):
        return subprocess.run(["git", *words], cwd=work, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet", "--bare", str(tmp_path / "bare"))
    git("init", "--quiet", "--initial-branch=main")
    git("add", "--all")
    git("commit", "--quiet", "--message=first")
    git("remote", "add", "origin", str(tmp_path / "bare"))
    subprocess.run([".ci/lock", "--pull-request"], cwd=work, check=True, capture_output=True)
    changed = set(git("diff", "--name-only", "main", "lock").split())
    assert changed == {"Dockerfile", "pyproject.toml", *(f"requirements/{name}.txt" for name in WANTED)}
    assert git("rev-parse", "lock").strip() in git("ls-remote", "origin")
    assert "pr create --head lock" in (tmp_path / "asked").read_text()
    assert not (work / "uv.lock").exists() and (work / "Dockerfile").read_text().count("@sha256:") == 4
    day = re.search(r'exclude-newer = "(.{10})', (work / "pyproject.toml").read_text())[1]
    assert all(f"exclude-newer {day}." in (work / f"requirements/{name}.txt").read_text() for name in WANTED)
