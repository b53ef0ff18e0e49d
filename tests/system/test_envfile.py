"""`.env`: whose file is read, which names, and that a stranger's sends no token and runs no program."""

import os
import shlex
from contextlib import contextmanager
from pathlib import Path

import dotenv  # noqa: F401  # before a test is another user, who may not read Python's own files
import pytest

from app.errors import InputError
from app.system import envfile

ROOT, USER, OTHER, NOBODY = 0, 1000, 1001, 65534
TEXT = "HF_TOKEN=hf_own\nHF_REPOSITORY=me/runs\n"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    """A folder of its own to work in, no checkout's file, and an environment that forgets what a test reads."""
    for name in (*envfile.NAMES, "HF_ENDPOINT"):
        monkeypatch.setenv(name, "before")
        monkeypatch.delenv(name)
    monkeypatch.setattr(envfile, "_CHECKOUT", tmp_path / "checkout")
    (tmp_path / "here").mkdir(mode=0o755)
    monkeypatch.chdir(tmp_path / "here")


def written(text=TEXT, mode=0o644, path=".env"):
    """A `.env` in the working folder."""
    Path(path).write_bytes(text if isinstance(text, bytes) else text.encode())
    Path(path).chmod(mode)
    return Path(path)


# Who asks, whose the file is, whose its folder is, the folder's mode, and whether the file is read.
OWNERS = {
    "a user's own": (USER, USER, USER, 0o755, True),
    "a user's own in a shared folder": (USER, USER, ROOT, 0o1777, True),
    "root's": (USER, ROOT, ROOT, 0o755, True),
    "the folder's owner's": (USER, OTHER, OTHER, 0o755, True),
    "a stranger's in a shared folder": (USER, OTHER, ROOT, 0o1777, False),
    "a stranger's in one's own open folder": (USER, OTHER, USER, 0o777, False),
    "a stranger's in a group's folder": (USER, OTHER, ROOT, 0o2775, False),
    "root in a container, a folder from outside": (ROOT, USER, USER, 0o755, True),
    "root in a container, a file from outside": (ROOT, USER, ROOT, 0o755, True),
    "root in a container, an open folder from outside": (ROOT, USER, USER, 0o777, True),
    "root in a container, a stranger's in an open folder": (ROOT, OTHER, USER, 0o777, False),
    "root in a container, a stranger's in a shared folder": (ROOT, OTHER, ROOT, 0o1777, False),
    "root's own in a shared folder": (ROOT, ROOT, ROOT, 0o1777, True),
    "uids that are mapped away": (USER, NOBODY, NOBODY, 0o755, True),
    "uids that are mapped away, an open folder": (USER, NOBODY, NOBODY, 0o777, True),
    "root, uids that are mapped away": (ROOT, NOBODY, NOBODY, 0o755, True),
    "root, uids that are mapped away, an open folder": (ROOT, NOBODY, NOBODY, 0o777, True),
    "uids that are mapped away, a shared folder": (USER, NOBODY, NOBODY, 0o1777, False),
    "uids that are shifted": (USER, 101_000, 101_000, 0o775, True),
}


def owned(found, owner, mode=None):
    """What `stat` would say of another's file."""
    return os.stat_result((mode or found.st_mode, *found[1:4], owner, *found[5:10]))


@pytest.mark.parametrize(("who", "owner", "folder", "mode", "is_read"), OWNERS.values(), ids=OWNERS)
def test_a_file_is_read_by_its_owner(monkeypatch, who, owner, folder, mode, is_read):
    file, inside = owned(written().stat(), owner), owned(Path.cwd().stat(), folder, 0o40000 | mode)
    here, stat = Path.cwd(), Path.stat
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: who)
        patch.setattr(os, "fstat", lambda _: file)
        patch.setattr(Path, "stat", lambda self, **how: inside if self == here else stat(self, **how))
        notes = envfile.load()
    assert (os.environ.get("HF_TOKEN") == "hf_own") is is_read
    assert len(notes) == (not is_read) and all(f"belongs to user {owner}" in note for note in notes)


@contextmanager
def as_user(number):
    """Another effective user for a while."""
    b"".decode("utf-8-sig"), b"".decode("utf-16")  # which Python imports at their first use
    os.seteuid(number)
    try:
        yield
    finally:
        os.seteuid(0)


@needs_root
@pytest.mark.parametrize(("who", "owner", "folder", "mode", "is_read"), OWNERS.values(), ids=OWNERS)
def test_so_it_is_for_real_files_and_users(tmp_path, who, owner, folder, mode, is_read):
    path = written()
    os.chown(path, owner, owner)
    os.chown(Path.cwd(), folder, folder)
    Path.cwd().chmod(mode)
    for above in [tmp_path, *tmp_path.parents]:
        if above.stat().st_uid == 0 and above.is_relative_to("/tmp") and above != Path("/tmp"):
            above.chmod(0o755)
    with as_user(who):
        notes = envfile.load()
    assert (os.environ.get("HF_TOKEN") == "hf_own") is is_read and len(notes) == (not is_read), notes


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o660, 0o664])
def test_a_file_that_the_group_may_write_is_read(mode):
    written(mode=mode)
    assert envfile.load() == [] and os.environ["HF_REPOSITORY"] == "me/runs"


def test_under_umask_002_a_file_is_read():
    before = os.umask(0o002)
    try:
        Path("shared").mkdir()
        Path("shared/.env").write_text(TEXT)
    finally:
        os.umask(before)
    assert Path("shared/.env").stat().st_mode & 0o777 == 0o664 and Path("shared").stat().st_mode & 0o020
    os.chdir("shared")
    assert envfile.load() == [] and os.environ["HF_TOKEN"] == "hf_own"


@pytest.mark.parametrize("mode", [0o666, 0o606, 0o602, 0o777])
@pytest.mark.parametrize("given", [None, Path("named")])
def test_a_file_that_everybody_may_write_is_ignored_with_one_note(mode, given):
    path = written(mode=mode, path=given or ".env")
    notes = envfile.load(given)
    assert "HF_TOKEN" not in os.environ
    assert len(notes) == 1 and "everybody on this machine may write it" in notes[0] and str(path) in notes[0]
    assert "hf_own" not in notes[0]


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
50 22 0:40 / {} rw,noatime - {} rw
"""
KINDS = {
    "drvfs of WSL 1": ("drvfs C:", True),
    "drvfs of WSL 2": (r"9p C:\134 rw,dirsync,aname=drvfs;path=C:\;uid=1000,trans=fd", True),
    "virtiofs of WSL": ("virtiofs drvfsaC", True),
    "cifs": ("cifs //server/share", True),
    "smb3": ("smb3 //server/share", True),
    "sshfs": ("fuse.sshfs host:/home", True),
    "ntfs-3g": ("fuseblk /dev/sdb1", True),
    "ext4": ("ext4 /dev/sdb1", False),
    "overlay": ("overlay overlay", False),
    "nfs": ("nfs4 server:/home", False),
    "9p of a virtual machine": ("9p share rw,trans=virtio", False),
}


@pytest.mark.parametrize(("kind", "is_read"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("folder", ["here", "a folder"])
def test_a_mode_that_the_mount_makes_up_is_not_looked_at(monkeypatch, tmp_path, kind, is_read, folder):
    (tmp_path / folder).mkdir(exist_ok=True, mode=0o777)
    monkeypatch.chdir(tmp_path / folder)
    written(mode=0o777)
    (tmp_path / folder).chmod(0o777)
    table = MOUNTS.format(str(tmp_path / folder).replace(" ", r"\040"), kind)
    monkeypatch.setattr(envfile, "_mounts", lambda: table.splitlines())
    notes = envfile.load()
    assert (os.environ.get("HF_TOKEN") == "hf_own") is is_read and len(notes) == (not is_read)


def test_only_the_documented_names_are_read_and_the_environment_wins(monkeypatch):
    monkeypatch.setenv("HF_REPOSITORY", "of/environment")
    hostile = (
        "HF_ENDPOINT", "ISOSCALE_INSECURE_HUB", "ISOSCALE_COMMIT", "HF_HOME", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN",
        "WANDB_BASE_URL", "PATH", "LD_PRELOAD", "PYTHONPATH", "CXX", "GIT_CONFIG_COUNT", "HTTPS_PROXY",
        "SSL_CERT_FILE", "TORCHINDUCTOR_GXX", "CUDA_VISIBLE_DEVICES",
    )  # fmt: skip
    before = {name: os.environ.get(name) for name in hostile}
    written(TEXT + "WANDB_API_KEY=key\nISOSCALE_CACHE=/x\n" + "".join(f"{name}=owned\n" for name in hostile))
    (note,) = envfile.load()
    assert {name: os.environ.get(name) for name in hostile} == before
    found = [os.environ[name] for name in ("HF_TOKEN", "HF_REPOSITORY", "WANDB_API_KEY", "ISOSCALE_CACHE")]
    assert found == ["hf_own", "of/environment", "key", "/x"]
    assert "HF_ENDPOINT" in note and "ISOSCALE_INSECURE_HUB" in note and "owned" not in note and "PATH=" not in note


def test_a_value_is_not_expanded(monkeypatch):
    monkeypatch.setenv("SECRET", "of mine")
    written("HF_REPOSITORY=me/${SECRET}\nHF_TOKEN=$(id)`id`\n")
    assert envfile.load() == []
    assert (os.environ["HF_REPOSITORY"], os.environ["HF_TOKEN"]) == ("me/${SECRET}", "$(id)`id`")


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.encode("utf-16"),
        b"# caf\xe9\n" + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        b"export HF_TOKEN='hf_own'",
    ],
)
def test_the_files_of_other_editors_are_read(text):
    written(text)
    assert envfile.load() == [] and os.environ["HF_TOKEN"] == "hf_own"


@pytest.mark.parametrize("made", ["folder", "fifo", "dangling", "loop", "long link", "null", "huge", "unreadable"])
def test_what_is_no_file_of_settings_stops_nothing(monkeypatch, made):
    if made == "folder":
        Path(".env").mkdir()
    elif made == "fifo":
        os.mkfifo(".env")
    elif made == "dangling":
        Path(".env").symlink_to("not/there")
    elif made in ("loop", "long link"):
        Path(".env").symlink_to(".env" if made == "loop" else "a" * 300)
    elif made == "unreadable":
        written()
        monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    else:
        written(b"HF_TOKEN=a\0b\n" if made == "null" else b"HF_TOKEN=" + b"a" * 2**21)
    notes = envfile.load()
    assert "HF_TOKEN" not in os.environ and len(notes) == (made not in ("folder", "dangling"))


@pytest.mark.parametrize("behind", [False, True])
def test_a_place_that_nobody_may_look_into_costs_a_note_only(monkeypatch, behind):
    if behind:
        Path("closed").mkdir()
        written(path="closed/env")
        Path(".env").symlink_to("closed/env")
    stat, opened = os.stat, os.open

    def closed(of, call):
        def tried(path, *rest, **named):
            if str(path).endswith(".env"):
                raise PermissionError(13, "Permission denied", str(path))
            return call(path, *rest, **named)

        monkeypatch.setattr(os, of, tried)

    closed("stat", stat)
    closed("open", opened)
    (note,) = envfile.load()
    assert "cannot be read (Permission denied)" in note and "HF_TOKEN" not in os.environ


@needs_root
def test_so_it_is_where_the_working_folder_is_another_s():
    Path.cwd().chmod(0o700)
    with as_user(USER):
        (note,) = envfile.load()
    assert "cannot be read (Permission denied)" in note


def test_the_working_folder_s_file_comes_before_the_checkout_s_which_stands_in_for_one_that_is_ignored(tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "run.py").touch()
    (checkout / ".env").write_text("HF_REPOSITORY=of/checkout\n")
    written(mode=0o666)
    assert len(envfile.load()) == 1 and os.environ.pop("HF_REPOSITORY") == "of/checkout"
    Path(".env").chmod(0o600)
    assert envfile.load() == [] and os.environ.pop("HF_REPOSITORY") == "me/runs"
    (checkout / "run.py").unlink()
    Path(".env").unlink()
    assert envfile.load() == [] and "HF_REPOSITORY" not in os.environ


def test_a_file_of_a_folder_above_is_not_read(monkeypatch):
    written()
    Path("below").mkdir()
    monkeypatch.chdir("below")
    assert envfile.load() == [] and "HF_TOKEN" not in os.environ


@needs_root
def test_a_link_that_a_stranger_made_is_not_followed(tmp_path):
    target = written(path=tmp_path / "of-mine")
    Path(".env").symlink_to(target)
    assert envfile.load() == [] and os.environ.pop("HF_TOKEN") == "hf_own"
    os.chown(".env", OTHER, OTHER, follow_symlinks=False)
    Path.cwd().chmod(0o1777)
    assert "belongs to user 1001" in envfile.load()[0] and "HF_TOKEN" not in os.environ


def test_a_given_file_that_is_not_there_is_bad_input():
    with pytest.raises(InputError, match="does not exist"):
        envfile.load(Path("nowhere"))


@pytest.mark.parametrize(
    "line",
    [
        "--env-file named upload a b",
        "upload a b --env-file named",
        "upload --env-file=named a b",
        "upload a --env_file named b",
    ],
)
def test_the_option_may_stand_before_or_after_the_command(capsys, line):
    from app.cli import main

    written("HF_REPOSITORY=not a name\n", path="named")
    written("HF_REPOSITORY=other\n")
    assert main(shlex.split(line)) == 2 and "HF_REPOSITORY=not a name is neither" in capsys.readouterr().err


def test_what_is_passed_to_another_command_stays_there():
    from app.cli.spelling import apart

    assert apart(["launch", "docker", "--", "train", "--env-file", "x"])[0] == []
    assert apart(["train", "--env-file", "x", "--lr", "1"]) == (["--env-file", "x"], ["train", "--lr", "1"])


def test_a_command_says_in_one_line_what_it_ignores_and_works(capsys):
    from app.cli import main

    written(mode=0o666)
    assert main(["datasets", "--json"]) == 0
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "is ignored" in said.err and said.out.startswith("[")
