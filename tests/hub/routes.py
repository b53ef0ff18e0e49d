"""What the small Hub answers: one function per route, and the table that leads to it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import PurePosixPath
from urllib.parse import parse_qs

from .messages import Answer, Request, as_json, paginate
from .repositories import Commit, Refusal, Repository, card_data, change, is_large


def whoami(request: Request) -> Answer:
    visitor = request.visitor
    if visitor.role is None:
        raise Refusal(401, "Invalid username or password.")
    token = {"displayName": f"{visitor.role} token", "role": visitor.role}
    account = {"type": "user", "name": visitor.user, "fullname": visitor.user, "orgs": []}
    return as_json({**account, "auth": {"type": "access_token", "accessToken": token}})


def accept(_request: Request, **_: object) -> Answer:
    """For checks that are over once the route is reached; the lists are what a card's check asks for."""
    return as_json({"errors": [], "warnings": []})


def create_repository(request: Request) -> Answer:
    kind, repo_id = read_name(request)
    request.visitor.check_write(repo_id, f"You don't have the rights to create the {kind} {repo_id}")
    created = {"name": repo_id, "url": page_address(request, kind, repo_id)}
    if (kind, repo_id) in request.hub.repositories.all:
        return as_json({"error": f"You already created this {kind} repo: {repo_id}", **created}, 409)
    request.hub.repositories.create(repo_id, kind, request.json().get("visibility") == "private")
    return as_json(created)


def delete_repository(request: Request) -> Answer:
    repositories = request.hub.repositories
    repositories.delete(repositories.find(*read_name(request), request.visitor, "write"))
    return as_json({})


def read_name(request: Request) -> tuple[str, str]:
    wish = request.json()
    return wish.get("type") or "model", f"{wish.get('organization') or request.visitor.user}/{wish['name']}"


def page_address(request: Request, kind: str, repo_id: str) -> str:
    return f"{request.hub.url}/{'' if kind == 'model' else f'{kind}s/'}{repo_id}"


def change_settings(request: Request, repository: Repository) -> Answer:
    wish = request.json()
    repository.private = wish.get("visibility", "private" if repository.private else "public") == "private"
    repository.gated = wish.get("gated", repository.gated)
    request.hub.repositories.save(repository)
    return as_json(wish)


def describe_repository(request: Request, repository: Repository, revision: str = "main") -> Answer:
    commit = repository.at(revision)
    siblings = [
        {"rfilename": path} | ({"size": blob.size, "blobId": blob.oid, **blob.lfs} if "blobs" in request.query else {})
        for path, blob in sorted(commit.files.items())
    ]
    about = {"id": repository.id, "author": repository.id.split("/")[0], "sha": commit.id, "tags": []}
    dates = {"createdAt": repository.history(revision)[-1].date, "lastModified": commit.date}
    access = {"private": repository.private, "gated": repository.gated, "disabled": False}
    counts = {"downloads": 0, "likes": 0, "usedStorage": sum(blob.size for blob in commit.files.values())}
    card = {"cardData": card_data(request.contents, commit)}
    return as_json({**about, **dates, **access, **counts, **card, "siblings": siblings})


def list_refs(_request: Request, repository: Repository) -> Answer:
    branches = [
        {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit_id}
        for name, commit_id in repository.branches.items()
    ]
    return as_json({"branches": branches, "converts": [], "tags": [], "pullRequests": []})


def create_branch(request: Request, repository: Repository, branch: str) -> Answer:
    if branch in repository.branches:
        raise Refusal(409, f"Reference already exists: refs/heads/{branch}")
    start = request.json().get("startingPoint", "main")
    repository.branches[branch] = repository.at(start).id
    request.hub.repositories.save(repository)
    return as_json({})


def delete_branch(request: Request, repository: Repository, branch: str) -> Answer:
    if branch == "main":
        raise Refusal(403, "The branch main cannot be deleted")
    if repository.branches.pop(branch, None) is None:
        raise Refusal(404, f"Invalid rev id: {branch}", "RevisionNotFound")
    request.hub.repositories.save(repository)
    return as_json({})


def list_commits(request: Request, repository: Repository, revision: str) -> Answer:
    return paginate(request, repository.history(revision), describe_commit)


def describe_commit(request: Request, commit: Commit) -> dict:
    title, _, message = commit.message.partition("\n\n")
    authors = [{"user": request.hub.user}]
    return {"id": commit.id, "title": title, "message": message, "date": commit.date, "authors": authors}


def list_tree(request: Request, repository: Repository, revision: str, folder: str = "") -> Answer:
    prefix = f"{folder.strip('/')}/" if folder else ""
    paths = [path.removeprefix(prefix) for path in repository.at(revision).files if path.startswith(prefix)]
    recursive = request.query.get("recursive") == "true"
    parents = {str(parent) for path in paths for parent in PurePosixPath(path).parents} - {"."}
    names = sorted(name for name in {*paths, *parents} if recursive or "/" not in name)
    if folder and not names:
        raise Refusal(404, f"{folder} does not exist on {revision}", "EntryNotFound")
    return paginate(request, names, lambda _, name: describe_path(request, repository, revision, prefix + name))


def list_paths(request: Request, repository: Repository, revision: str) -> Answer:
    form = parse_qs(request.body.decode())
    request.query["expand"] = form.get("expand", ["false"])[0]
    entries = [describe_path(request, repository, revision, path.strip("/")) for path in form.get("paths", [])]
    return as_json([entry for entry in entries if entry])


def describe_path(request: Request, repository: Repository, revision: str, path: str) -> dict:
    entry = repository.at(revision).entry(path)
    if entry and request.query.get("expand") == "true":
        entry["lastCommit"] = describe_commit(request, repository.last_change(revision, path))
    return entry


def resolve(request: Request, repository: Repository, revision: str, path: str) -> Answer:
    """A file, or the part that `Range` asks for; LFS objects come directly, without the Hub's detour over a CDN."""
    commit = repository.at(revision)
    headers = {"X-Repo-Commit": commit.id, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    if path not in commit.files:
        raise Refusal(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": commit.id})
    blob = commit.files[path]
    headers["ETag"] = f'"{blob.etag}"'
    if blob.large:
        headers |= {"X-Linked-ETag": f'"{blob.sha256}"', "X-Linked-Size": str(blob.size)}
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
    start, stop = cut_range(asked[1], asked[2], blob.size) if asked else (0, blob.size)
    if asked:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{blob.size}"
    headers["Content-Length"] = str(stop - start)
    return Answer(206 if asked else 200, headers, request.contents.read(blob.sha256, start, stop))


def cut_range(first: str, last: str, size: int) -> tuple[int, int]:
    """Start and stop of `first-last`, `first-` or `-count`."""
    start = int(first) if first else max(0, size - int(last or 0))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise Refusal(416, "Requested range not satisfiable", headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def choose_modes(request: Request, repository: Repository, revision: str) -> Answer:
    """Preupload: how to send each file, and the id of what lies there, by which the client drops unchanged files."""
    files = repository.at(revision).files
    answers = []
    for file in request.json()["files"]:
        large = is_large(file["path"], file["size"], base64.b64decode(file["sample"]))
        answer = {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        answers.append(answer | ({"oid": files[file["path"]].etag} if file["path"] in files else {}))
    return as_json({"files": answers})


def order_objects(request: Request, **_: object) -> Answer:
    """LFS batch: where to send the objects that the Hub does not hold yet."""
    objects = []
    for wish in request.json()["objects"]:
        upload = {"href": f"{request.hub.url}/lfs/{wish['oid']}"}
        verify = {"href": f"{request.hub.url}{request.path.removesuffix('batch')}verify"}
        missing = wish["oid"] not in request.contents.places
        objects.append({**wish, **({"actions": {"upload": upload, "verify": verify}} if missing else {})})
    return as_json({"transfer": "basic", "objects": objects})


def take_object(request: Request, sha256: str) -> Answer:
    """Like the Hub's signed storage addresses, this one asks for no token."""
    if hashlib.sha256(request.body).hexdigest() != sha256:
        raise Refusal(400, f"The content is not the object {sha256}")
    request.contents.add(request.body)
    return as_json({})


def verify_object(request: Request, **_: object) -> Answer:
    wish = request.json()
    if wish["oid"] not in request.contents.places or request.contents.size(wish["oid"]) != wish["size"]:
        raise Refusal(404, f"No object {wish['oid']} of {wish['size']} bytes")
    return as_json({})


def commit(request: Request, repository: Repository, revision: str) -> Answer:
    """One commit of all operations or, if any is refused, none."""
    if "create_pr" in request.query:
        raise Refusal(501, "This Hub has no pull requests")
    if revision not in repository.branches:
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    request.hub.count_commit()
    head = repository.at(revision)
    header, *operations = [json.loads(line) for line in request.body.splitlines()]
    if not head.id.startswith(header["value"].get("parentCommit", "")):
        raise Refusal(412, "A commit has happened since. Please refresh and try again.")
    files = dict(head.files)
    for operation in operations:
        change(request.contents, files, **operation)
    message = "\n\n".join(filter(None, (header["value"]["summary"], header["value"].get("description"))))
    commit_id = repository.commit(revision, message, files).id
    request.hub.repositories.save(repository)
    address = f"{page_address(request, repository.kind, repository.id)}/commit/{commit_id}"
    return as_json({"success": True, "commitOid": commit_id, "commitUrl": address, "hookOutput": ""})


ID = r"(?P<id>[\w.-]+/[\w.-]+)"
API = rf"/api/(?P<kind>model|dataset|space)s/{ID}"
PAGE = rf"/(?:(?P<kind>dataset|space)s/)?{ID}"
AT = r"(?P<revision>[^/]+)"

# method, what the asker needs of the repository, path, function
ROUTES = (
    ("GET", "", "/api/whoami-v2", whoami),
    ("POST", "", "/api/validate-yaml", accept),
    ("POST", "", "/api/repos/create", create_repository),
    ("DELETE", "", "/api/repos/delete", delete_repository),
    ("GET", "read", API, describe_repository),
    ("GET", "read", rf"{API}/revision/{AT}", describe_repository),
    ("GET", "files", rf"{API}/auth-check", accept),
    ("GET", "write", rf"{API}/auth-check/write", accept),
    ("PUT", "write", rf"{API}/settings", change_settings),
    ("GET", "read", rf"{API}/refs", list_refs),
    ("POST", "write", rf"{API}/branch/(?P<branch>[^/]+)", create_branch),
    ("DELETE", "write", rf"{API}/branch/(?P<branch>[^/]+)", delete_branch),
    ("GET", "read", rf"{API}/commits/{AT}", list_commits),
    ("GET", "read", rf"{API}/tree/{AT}(?:/(?P<folder>.+))?", list_tree),
    ("POST", "read", rf"{API}/paths-info/{AT}", list_paths),
    ("GET", "files", rf"{PAGE}/resolve/{AT}/(?P<path>.+)", resolve),
    ("POST", "write", rf"{API}/preupload/{AT}", choose_modes),
    ("POST", "write", rf"{PAGE}\.git/info/lfs/objects/batch", order_objects),
    ("POST", "write", rf"{PAGE}\.git/info/lfs/objects/verify", verify_object),
    ("PUT", "", "/lfs/(?P<sha256>[0-9a-f]{64})", take_object),
    ("POST", "write", rf"{API}/commit/{AT}", commit),
)
