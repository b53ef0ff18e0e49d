"""The commit in a record: the checkout's own, and no program that its repository names is run to find it."""

import os
import shutil
import subprocess

import pytest

from app.system import checkout

OWNED = "#!/bin/sh\ntouch {}\ncat\n"


def git(folder, *words):
    """What git says in a folder, as nobody in particular."""
    named = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    given = {**os.environ, **named, "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(["git", *words], cwd=folder, env=given, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A checkout of one commit."""
    root = tmp_path / "open" / "root"
    (root / "app").mkdir(parents=True)
    git(root, "init", "--quiet", "--initial-branch=main")
    (root / "app" / "a.py").write_text("a = 1\n")
    (root / "run.py").write_text("run\n")
    (root / ".gitattributes").write_text("*.png binary\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=first")
    return root


def head(root):
    return git(root, "rev-parse", "HEAD")[:12]


def test_the_commit_is_git_s_and_a_changed_file_makes_it_dirty(repository):
    assert checkout.commit(repository) == head(repository)
    (repository / "new.py").write_text("not tracked\n")
    (repository / "run.py").touch()
    (repository / "run.py").chmod(0o755)  # drives of Windows make modes up
    assert checkout.commit(repository) == head(repository)
    (repository / "app" / "a.py").write_text("a = 2\n")
    assert checkout.commit(repository) == f"{head(repository)}-dirty"
    git(repository, "add", "--all")
    assert checkout.commit(repository) == f"{head(repository)}-dirty"
    git(repository, "commit", "--quiet", "--message=second")
    assert checkout.commit(repository) == head(repository)


def packed(root):
    git(root, "pack-refs", "--all")
    git(root, "gc", "--quiet")


def detached(root):
    git(root, "checkout", "--quiet", "--detach")


@pytest.mark.parametrize("state", [packed, detached])
def test_so_it_is_however_the_commit_is_stored(repository, state):
    state(repository)
    assert checkout.commit(repository) == head(repository)


def test_a_worktree_has_its_own_commit(repository, tmp_path):
    git(repository, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "tree"))
    (tmp_path / "tree" / "run.py").write_text("other\n")
    assert checkout.commit(tmp_path / "tree") == f"{head(tmp_path / 'tree')}-dirty"
    git(tmp_path / "tree", "commit", "--quiet", "--all", "--message=other")
    assert checkout.commit(tmp_path / "tree") == head(tmp_path / "tree") != head(repository)


@pytest.mark.parametrize("found", [".git", ".git/index", ".git/HEAD", ".git/objects"])
def test_without_a_sound_repository_there_is_no_commit(repository, found):
    gone = repository / found
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert checkout.commit(repository) is None


def test_a_repository_above_the_program_is_not_its_own(repository, capfd):
    assert checkout.commit(repository / "app") is None
    assert capfd.readouterr() == ("", "")


def test_a_fifo_in_the_repository_keeps_nobody_waiting(repository):
    (repository / ".git" / "HEAD").unlink()
    os.mkfifo(repository / ".git" / "HEAD")
    assert checkout.commit(repository) is None


def test_without_git_there_is_no_commit_and_no_word(repository, monkeypatch, capfd):
    monkeypatch.setenv("PATH", "")
    assert checkout.commit(repository) is None and capfd.readouterr() == ("", "")


def fsmonitor(root, program):
    git(root, "config", "core.fsmonitor", program)


def hooks(root, program):
    for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout"):
        shutil.copy(program, root / ".git" / "hooks" / name)
    (root / "hooks").mkdir()
    shutil.copy(program, root / "hooks" / "post-index-change")
    git(root, "config", "core.hooksPath", "hooks")


def filters(root, program):
    for driver in ("clean", "smudge", "process"):
        git(root, "config", f"filter.x.{driver}", program)
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "attributes").write_text("* filter=x diff=x\n")
    (root / ".gitattributes").write_text("* filter=x diff=x\n")
    git(root, "config", "diff.x.textconv", program)
    git(root, "config", "diff.external", program)


def included(root, program):
    (root / "more").write_text(f"[core]\n\tfsmonitor = {program}\n")
    git(root, "config", "include.path", "../more")


def submodule(root, program):
    inner = root / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet")
    (inner / "x").write_text("x")
    git(inner, "add", "x")
    git(inner, "commit", "--quiet", "--message=x")
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{git(inner, 'rev-parse', 'HEAD')},inner")
    git(root, "commit", "--quiet", "--message=inner")
    filters(inner, program)
    fsmonitor(inner, program)
    (inner / "x").write_text("y")


def remote(root, program):
    git(root, "config", "extensions.partialClone", "origin")
    git(root, "config", "remote.origin.url", "host:x")
    git(root, "config", "remote.origin.promisor", "true")
    git(root, "config", "core.sshCommand", program)
    git(root, "config", "remote.origin.uploadpack", program)
    (root / ".git" / "HEAD").write_text(f"{'0' * 39}1\n")


@pytest.mark.parametrize("hostile", [fsmonitor, hooks, filters, included, submodule, remote])
@pytest.mark.parametrize("owner", ["own", "stranger's"])
def test_a_repository_in_an_open_folder_runs_no_program(repository, tmp_path, hostile, owner):
    program, sign = tmp_path / "program", tmp_path / "owned"
    program.write_text(OWNED.format(sign))
    program.chmod(0o755)
    hostile(repository, str(program))
    repository.parent.chmod(0o777)
    (repository / "app" / "a.py").write_text("a = 2\n")
    sign.unlink(missing_ok=True)
    if owner == "stranger's":
        if os.geteuid() != 0:
            pytest.skip("only root can give files to others")
        for path in [repository, *repository.rglob("*")]:
            os.chown(path, 1001, 1001, follow_symlinks=False)
    found = checkout.commit(repository)
    assert not sign.exists()
    assert (found or "").endswith("-dirty") or hostile is remote


def test_the_hostile_repositories_of_these_tests_do_run_programs_of_a_plain_git(repository, tmp_path):
    program, sign = tmp_path / "program", tmp_path / "owned"
    program.write_text(OWNED.format(sign))
    program.chmod(0o755)
    filters(repository, str(program))
    (repository / "app" / "a.py").write_text("a = 2\n")
    subprocess.run(["git", "describe", "--always", "--dirty"], cwd=repository, capture_output=True, check=False)
    assert sign.exists()


def test_the_environment_s_own_settings_of_git_are_not_passed_on(repository, tmp_path, monkeypatch):
    sign, program = tmp_path / "owned", tmp_path / "program"
    program.write_text(OWNED.format(sign))
    program.chmod(0o755)
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": str(program),
             "GIT_DIR": "/nowhere", "GIT_INDEX_FILE": "/nowhere", "GIT_EXEC_PATH": "/nowhere"}  # fmt: skip
    expected = head(repository)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert checkout.commit(repository) == expected and not sign.exists()
