"""What surrounds the program: the image's context, the workflows, the release, the lock and the smoke test's script."""

import fnmatch
import importlib.util
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = [*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob(".github/actions/*/action.yml")]
NAMES = [str(path.relative_to(ROOT)) for path in WORKFLOWS]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def steps(path):
    """All steps of a workflow, or of an action."""
    document = yaml.safe_load(path.read_text())
    jobs = document.get("jobs", {"": document.get("runs")})
    return [step for job in jobs.values() for step in job["steps"]]


def sent():
    """The names at the top of the repository that .dockerignore lets through."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    return {line[1:] for line in lines if line.startswith("!")}


def copied():
    """What the Dockerfile takes from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.M)
    return {word for line in lines for word in line.split()[:-1]}


def test_the_image_gets_what_the_dockerfile_copies_and_nothing_else():
    assert all(any(fnmatch.fnmatch(name, pattern) for name in sent()) for pattern in copied())
    assert all(any(fnmatch.fnmatch(name, pattern) for pattern in copied()) for name in sent())
    assert not {".env", ".git", "checkpoints", "tests"} & sent()


def test_the_dockerfile_holds_no_secret_and_no_user():
    assert not re.search(r"^USER|TOKEN|HF_REPOSITORY", DOCKERFILE, flags=re.M)


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_a_workflow_runs_what_runs_elsewhere_too(path):
    recipes = re.findall(r"^(\w+).*:$", (ROOT / "Justfile").read_text(), flags=re.M)
    for line in (step["run"] for step in steps(path) if "run" in step):
        assert "${{" not in line and "\n" not in line.strip()
        words = shlex.split(line)
        if words[:3] == ["uv", "run", "just"]:
            assert words[3] in recipes
        else:
            assert words[0].startswith(".ci/") and os.access(ROOT / words[0], os.X_OK)


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_an_action_is_pinned_by_its_commit_and_says_its_version(path):
    for line in re.findall(r"uses: (.+)", path.read_text()):
        assert line.startswith("./") or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


@pytest.mark.parametrize("path", [path for path in WORKFLOWS if path.parent.name == "workflows"], ids=lambda p: p.stem)
def test_a_workflow_has_no_right_by_default_a_limit_of_time_and_one_run_at_a_time(path):
    document = yaml.safe_load(path.read_text())
    assert document["permissions"] == {} and document["concurrency"]["group"]
    assert not {"pull_request_target", "workflow_run"} & set(document[True])  # YAML 1.1 reads `on` as true
    for job in document["jobs"].values():
        assert job["timeout-minutes"] <= 90 and "write-all" not in job["permissions"]
        checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout")]
        assert checkouts or not any("run" in step for step in job["steps"])
        assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_a_pull_request_is_never_given_a_right_to_write():
    for path in ROOT.glob(".github/workflows/*.yml"):
        document = yaml.safe_load(path.read_text())
        if "pull_request" in document[True]:
            writing = [job for job in document["jobs"].values() if "write" in job["permissions"].values()]
            assert all(job["if"] == "github.event_name == 'push'" for job in writing)


def test_the_image_s_variants_are_the_groups_of_the_project():
    image = yaml.safe_load((ROOT / ".github/workflows/image.yml").read_text())
    variants = [[row["cuda"] for row in job["strategy"]["matrix"]["include"]] for job in image["jobs"].values()]
    groups = re.findall(r"^cuda(\d+) = \[", (ROOT / "pyproject.toml").read_text(), flags=re.M)
    assert variants == [["13", "12"]] * 2 and sorted(groups) == ["12", "13"]


def loaded():
    """.ci/release.py as a module."""
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci/release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path):
    """A project at version 1.2.3 with its notes."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.3\n")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.3] - 2026-11-21\n\n### Added\n\n- `a`.\n\n"
        "## [1.2.2]\n\n- before\n\n## [1.2.1] - 2026-01-01\n"
    )
    return tmp_path


def test_a_release_s_notes_are_its_version_s_lines_of_the_changelog(project):
    assert loaded().notes("v1.2.3", project) == "### Added\n\n- `a`."


@pytest.mark.parametrize(
    ("file", "before", "after", "tag", "says"),
    [
        ("pyproject.toml", "1.2.3", "1.2.3", "v1.2.4", "tag v1.2.3"),
        ("pyproject.toml", "1.2.3", "1.2.3", "1.2.3", "tag v1.2.3"),
        ("pyproject.toml", "1.2.3", "1.2.4", "v1.2.4", "CITATION.cff's version is not 1.2.4"),
        ("CHANGELOG.md", "[1.2.3]", "[1.2.0]", "v1.2.3", "no heading '## [1.2.3] - YYYY-MM-DD'"),
        ("CHANGELOG.md", " - 2026-11-21", "", "v1.2.3", "has no date"),
        ("CHANGELOG.md", "- `a`.", "", "v1.2.3", "says nothing under 1.2.3"),
    ],
)
def test_a_tag_that_its_files_do_not_bear_out_is_refused(project, file, before, after, tag, says):
    release = loaded()
    (project / file).write_text((project / file).read_text().replace(before, after))
    with pytest.raises(release.NotReady, match=re.escape(says)):
        release.notes(tag, project)


def test_the_image_s_name_is_in_lower_case_and_a_tag_out_of_order_stops_it(tmp_path):
    output = tmp_path / "output"
    given = {**os.environ, "GITHUB_REPOSITORY": "Owner/IsoScale", "GITHUB_OUTPUT": str(output)}
    script = [str(ROOT / ".ci/image-name")]
    subprocess.run(script, env=given, check=True, capture_output=True)
    assert output.read_text() == "name=ghcr.io/owner/isoscale\n"
    tagged = {**given, "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v99.0.0"}
    refused = subprocess.run(script, env=tagged, check=False, capture_output=True, text=True)
    assert refused.returncode == 2 and "v99.0.0" in refused.stderr


@pytest.mark.parametrize("fault", ["help", "option", "inside", "evidence", "login"])
def test_the_smoke_test_of_the_image_fails_for_every_fault(tmp_path, fault):
    engine = tmp_path / "engine"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    environment = {**os.environ, "ENGINE": str(engine), "FAULT": fault}
    command = [str(ROOT / ".ci/smoke-image"), "isoscale", "13.2"]
    failed = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert failed.returncode != 0 and "is in order" not in failed.stdout
    sound = subprocess.run(command, env=environment | {"FAULT": ""}, check=False, capture_output=True, text=True)
    assert sound.returncode == 0 and "is in order" in sound.stdout, sound.stdout + sound.stderr


# Answers as an image in order would, but for the fault that it is told.
ENGINE = """#!/usr/bin/env bash
all="$*"
while [[ $1 != --volume ]]; do shift; done
workspace=${2%%:*}
case $all in
  *"FAIL:"*) [[ $FAULT != inside ]] ;;
  *--no-such-option*) [[ $FAULT == option ]] || exit 2 ;;
  *--help*) [[ $FAULT != help ]] && echo train ;;
  *upload*) [[ $FAULT != login ]] && cat "$workspace/.env"; exit 2 ;;
  *bash*train*) [[ $FAULT == evidence ]] || { mkdir -p "$workspace"/{checkpoints/vit_differential,.cache/isoscale/data}
    touch "$workspace/checkpoints/vit_differential/model_1.safetensors"; } ;;
esac
"""
