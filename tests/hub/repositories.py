"""The small Hub's repositories: contents by sha256, commits as fixed lists of files, branches as names for commits."""

import base64
import hashlib
import io
import itertools
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

LFS_BYTES = 10 * 2**20
LFS_SUFFIXES = (".safetensors", ".parquet", ".arrow", ".npy", ".npz", ".pt", ".bin", ".gz", ".zip", ".png", ".jpg")
CHUNK_BYTES = 2**20
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()


class Refusal(Exception):
    """A request that the Hub turns down; the clients choose their exception by status and `X-Error-Code`."""

    def __init__(self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}


@dataclass(frozen=True)
class Visitor:
    """Who asks: with a token, the Hub's one user in the token's role; without, nobody."""

    user: str
    role: str | None

    def owns(self, repo_id: str) -> bool:
        return self.role is not None and repo_id.split("/", maxsplit=1)[0] == self.user

    def check_write(self, repo_id: str, message: str) -> None:
        """Refuses a write without a token, with a read token, and in the namespace of others."""
        if self.role is None:
            raise Refusal(401, "Invalid username or password.")
        if self.role != "write" or not self.owns(repo_id):
            raise Refusal(403, message)


@dataclass(frozen=True)
class Blob:
    """What one path of a commit holds; `large` contents are LFS objects, and `oid` is then Git's id of the pointer."""

    sha256: str
    size: int
    oid: str
    large: bool

    @property
    def etag(self) -> str:
        """The id by which the clients tell whether a file has changed."""
        return self.sha256 if self.large else self.oid

    @property
    def lfs(self) -> dict[str, dict]:
        """The `lfs` field of a large file, whose id the Hub's tree calls `oid` and its info `sha256`."""
        sizes = {"size": self.size, "pointerSize": len(pointer(self.sha256, self.size))}
        return {"lfs": {"oid": self.sha256, "sha256": self.sha256, **sizes}} if self.large else {}


@dataclass(frozen=True)
class Commit:
    """One state of a repository; it never changes."""

    id: str
    message: str
    parent: str | None
    date: str
    files: Mapping[str, Blob]

    def below(self, path: str) -> dict[str, Blob]:
        """The file of that path, or the files of that folder."""
        return {name: blob for name, blob in self.files.items() if name == path or name.startswith(f"{path}/")}

    def entry(self, path: str) -> dict:
        """The Hub's tree entry of a file or a folder, empty if there is neither."""
        if path in self.files:
            blob = self.files[path]
            return {"type": "file", "path": path, "size": blob.size, "oid": blob.oid, **blob.lfs}
        oid = git_id(repr(sorted(self.below(path).items())).encode())
        return {"type": "directory", "path": path, "size": 0, "oid": oid} if self.below(path) else {}


@dataclass
class Repository:
    """Commits by id, and branches that name one each."""

    id: str
    kind: str = "model"
    private: bool = False
    gated: str | bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)

    def at(self, revision: str) -> Commit:
        """The commit of a branch or of an id, which may be cut to 7 digits."""
        start = self.branches.get(revision, revision)
        found = [commit for commit in self.commits.values() if commit.id.startswith(start)]
        if not re.fullmatch("[0-9a-f]{7,40}", start) or len(found) != 1:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found[0]

    def history(self, revision: str) -> list[Commit]:
        """The commit and all those before it, newest first."""
        commits = [self.at(revision)]
        while commits[-1].parent:
            commits.append(self.commits[commits[-1].parent])
        return commits

    def last_change(self, revision: str, path: str) -> Commit:
        """The commit that brought a file or folder to its present state."""
        history = self.history(revision)
        for commit, older in itertools.pairwise(history):
            if commit.below(path) != older.below(path):
                return commit
        return history[-1]

    def commit(self, branch: str, message: str, files: Mapping[str, Blob], *, age: float = 0) -> Commit:
        """Puts a commit on top of a branch; equal contents on equal parents get equal ids, whatever the time."""
        parent = self.branches.get(branch)
        listing = sorted((path, blob.oid) for path, blob in files.items())
        commit_id = hashlib.sha1(json.dumps([parent, message, listing]).encode()).hexdigest()
        date = (datetime.now(UTC) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.commits[commit_id] = Commit(commit_id, message, parent, date, dict(files))
        self.branches[branch] = commit_id
        return self.commits[commit_id]


class Contents:
    """Bytes by sha256: in memory, in a folder, or in files that stay where they are."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.places: dict[str, bytes | Path] = {}
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            self.places |= {path.name: path for path in folder.glob("[0-9a-f]*")}

    def add(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in self.places:
            self.places[sha256] = write(self.folder / sha256, data) if self.folder else data
        return sha256

    def link(self, path: Path) -> str:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self.places.setdefault(sha256, path.resolve())
        return sha256

    def size(self, sha256: str) -> int:
        place = self.places[sha256]
        return len(place) if isinstance(place, bytes) else place.stat().st_size

    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        place = self.places[sha256]
        left = (self.size(sha256) if stop is None else stop) - start
        with io.BytesIO(place) if isinstance(place, bytes) else place.open("rb") as file:
            file.seek(start)
            while left > 0 and (chunk := file.read(min(left, CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk

    def blob(self, path: str, sha256: str) -> Blob:
        size = self.size(sha256)
        large = is_large(path, size, next(self.read(sha256, 0, 512), b""))
        data = pointer(sha256, size) if large else b"".join(self.read(sha256))
        return Blob(sha256, size, git_id(data), large)


class Repositories:
    """All repositories by kind and id; with a store, those that were pushed to are kept there as JSON."""

    def __init__(self, store: Path | None = None) -> None:
        self.lock = threading.Lock()
        self.contents = Contents(store / "blobs" if store else None)
        self.folder = store / "repositories" if store else None
        self.all: dict[tuple[str, str], Repository] = {}
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.glob("*.json"):
                repository = read_repository(path)
                self.all[repository.kind, repository.id] = repository

    def find(self, kind: str, repo_id: str, visitor: Visitor, needs: str) -> Repository:
        """The repository, if the visitor may see it (strangers do not learn of private ones) and do what it needs."""
        repository, owner = self.all.get((kind, repo_id)), visitor.owns(repo_id)
        if repository is None or (repository.private and not owner):
            hidden = (401, "Invalid username or password.") if visitor.role is None else (404, "Repository not found")
            raise Refusal(*hidden, "RepoNotFound")
        if needs == "files" and repository.gated and not owner:
            message = f"Access to {kind} {repo_id} is restricted. You must have access to it and be authenticated."
            raise Refusal(403 if visitor.role else 401, message, "GatedRepo")
        if needs == "write":
            visitor.check_write(repo_id, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
        return repository

    def create(self, repo_id: str, kind: str = "model", private: bool = False) -> Repository:
        """A new repository with the Hub's first commit, the LFS rules."""
        assert (kind, repo_id) not in self.all, f"{kind} {repo_id} exists already"
        repository = self.all[kind, repo_id] = Repository(repo_id, kind, private)
        attributes = self.contents.blob(".gitattributes", self.contents.add(ATTRIBUTES))
        repository.commit("main", "initial commit", {".gitattributes": attributes})
        self.save(repository)
        return repository

    def delete(self, repository: Repository) -> None:
        del self.all[repository.kind, repository.id]
        if self.folder:
            self.place(repository).unlink(missing_ok=True)

    def save(self, repository: Repository) -> None:
        if self.folder:
            write(self.place(repository), json.dumps(asdict(repository)).encode())

    def place(self, repository: Repository) -> Path:
        assert self.folder, "a place is asked of a store only"
        return self.folder / f"{repository.kind}--{repository.id.replace('/', '--')}.json"

    def add_dataset(self, repo_id: str, folder: Path) -> str:
        """Shows a folder's files as a public dataset, without copying them, and returns the commit's id."""
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        files = {name: self.contents.blob(name, self.contents.link(path)) for name, path in paths.items()}
        repository = self.all.setdefault(("dataset", repo_id), Repository(repo_id, "dataset"))
        # a store may hold later commits to the same dataset: they stay on top
        known = [commit for commit in repository.commits.values() if commit.files == files]
        return known[0].id if known else repository.commit("main", "Upload dataset", files).id


def card_data(contents: Contents, commit: Commit) -> dict:
    """The metadata at the head of the repository's README, empty where it cannot be read."""
    from huggingface_hub import RepoCard
    from yaml import YAMLError  # type: ignore[import-untyped]

    if "README.md" not in commit.files:
        return {}
    try:
        text = b"".join(contents.read(commit.files["README.md"].sha256)).decode()
        found = RepoCard(text, ignore_metadata_errors=True).data.to_dict()
        return found if len(json.dumps(found)) < LFS_BYTES else {}
    except (YAMLError, ValueError, TypeError, RecursionError):
        return {}


def change(contents: Contents, files: dict[str, Blob], key: str, value: dict) -> None:
    """One operation of a commit, on a copy of its parent's files."""
    path = value["path"].rstrip("/")
    if key == "file":
        files[path] = contents.blob(path, contents.add(base64.b64decode(value["content"])))
    elif key == "lfsFile" and value["oid"] in contents.places:
        files[path] = contents.blob(path, value["oid"])
    elif key == "lfsFile":
        raise Refusal(400, f"The LFS pointer of {path} points to an object that does not exist")
    else:
        gone = [name for name in files if (name.startswith(f"{path}/") if key == "deletedFolder" else name == path)]
        if not gone:
            raise Refusal(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        for name in gone:
            del files[name]


def is_large(path: str, size: int, sample: bytes) -> bool:
    """Whether the Hub keeps a file in LFS; the clients commit an empty file as a regular one in any case."""
    return size > 0 and (size > LFS_BYTES or path.endswith(LFS_SUFFIXES) or b"\0" in sample)


def pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def read_repository(path: Path) -> Repository:
    kept = json.loads(path.read_text())
    for commit_id, fields in kept["commits"].items():
        files = {name: Blob(**blob) for name, blob in fields["files"].items()}
        kept["commits"][commit_id] = Commit(**fields | {"files": files})
    return Repository(**kept)


def write(path: Path, data: bytes) -> Path:
    """Writes aside and renames: a file under its own name is always whole."""
    aside = path.with_name(f".{threading.get_ident()}-{path.name}")
    aside.write_bytes(data)
    return aside.replace(path)
