"""A small Hugging Face Hub on loopback, for the real clients: real answers and refusals, and faults on order.

By hand: `python -m tests.hub.server --datasets FOLDER` serves FOLDER/owner/name/... as datasets and takes pushes.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import socket
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .faults import Fault
from .messages import Answer, Request, as_json
from .repositories import Commit, Refusal, Repositories, Visitor
from .routes import ROUTES

BODILESS = (204, 304)  # a body would be read as the next answer
TOKENS = {"hf_write": "write", "hf_read": "read"}


class HubServer:
    """Repositories behind HTTP, from `with` to its end; a new one holds `.gitattributes`, as on the Hub."""

    def __init__(
        self,
        *,
        tokens: Mapping[str, str] | None = None,
        user: str = "tester",
        port: int = 0,
        store: Path | None = None,
        verbose: bool = False,
    ) -> None:
        self.tokens = TOKENS if tokens is None else tokens
        self.user = user
        self.verbose = verbose
        self.repositories = Repositories(store)
        self.requests: list[tuple[str, str, int]] = []  # method, path (unquoted, no query), status
        self.page_size = 1000  # entries of a tree, or commits, per page
        self.faults: list[Fault] = []
        self.ahead = 0.0  # seconds that the `Date` of its answers is ahead of this machine's clock
        self.window = 3600.0  # seconds in which a repository takes `quota` commits
        self.quota: int | None = None
        self.committed: list[float] = []  # of time.monotonic()
        self.stopping = threading.Event()
        self.listener = Listener(("127.0.0.1", port), Handler)
        self.listener.hub = self
        self.url = f"http://127.0.0.1:{self.listener.server_port}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.listener.shutdown()
        self.listener.server_close()

    def serve_datasets(self, folder: Path) -> None:
        """Makes every folder/owner/name a public dataset repository, read where it lies."""
        for path in sorted(path for path in Path(folder).glob("*/*") if path.is_dir()):
            self.add_dataset(f"{path.parent.name}/{path.name}", path)

    def add_dataset(self, repo_id: str, folder: Path) -> str:
        """Makes a folder one public dataset repository and returns its sha; a second folder is a second commit."""
        return self.repositories.add_dataset(repo_id, Path(folder))

    def create(self, repo_id: str, kind: str = "model", private: bool = False) -> None:
        self.repositories.create(repo_id, kind, private)

    def count_commit(self) -> None:
        """Refuses a commit above the quota, as the Hub does; who asks holds the lock."""
        self.committed = [then for then in self.committed if time.monotonic() - then < self.window]
        if self.quota is not None and len(self.committed) >= self.quota:
            raise Refusal(429, f"You have exceeded the rate limit for repository commits ({self.quota} per hour).")
        self.committed.append(time.monotonic())

    def files(self, repo_id: str, revision: str = "main", kind: str = "model") -> dict[str, bytes]:
        contents, commit = self.repositories.contents, self.repositories.all[kind, repo_id].at(revision)
        return {path: b"".join(contents.read(blob.sha256)) for path, blob in commit.files.items()}

    def commits(self, repo_id: str, revision: str = "main", kind: str = "model") -> list[Commit]:
        """The commits of a branch, newest first."""
        return self.repositories.all[kind, repo_id].history(revision)

    def environment(self, token: str | None = "hf_write", home: Path | None = None) -> dict[str, str]:
        """What leads a new process's clients here and nowhere else; an empty token hides an inherited one."""
        switches = ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK")
        # datasets counts its downloads at a third address
        places = {"HF_UPDATE_DOWNLOAD_COUNTS": "0", "HF_HUB_OFFLINE": "0", **({"HF_HOME": str(home)} if home else {})}
        return {"HF_ENDPOINT": self.url, "HF_TOKEN": token or "", **dict.fromkeys(switches, "1"), **places}

    def commit(
        self, repo_id: str, files: Mapping[str, bytes], branch: str = "main", message: str = "other", age: float = 0
    ) -> str:
        """What somebody else puts on a branch, past every client, `age` seconds ago; returns the commit's id."""
        with self.repositories.lock:
            repository, contents = self.repositories.all["model", repo_id], self.repositories.contents
            added = {path: contents.blob(path, contents.add(data)) for path, data in files.items()}
            commit = repository.commit(branch, message, {**repository.at(branch).files, **added}, age=age)
            self.repositories.save(repository)
            return commit.id

    def fault(self, match: str, status: int | None = 503, **how: Any) -> Fault:
        """Orders a fault, described at `Fault`, for requests whose "METHOD /path" (unquoted, no query) matches."""
        self.faults.append(Fault(match=match, status=status, **how))
        return self.faults[-1]

    def take_fault(self, line: str) -> Fault | None:
        with self.repositories.lock:
            return next((fault for fault in self.faults if fault.strikes(line)), None)


class Listener(ThreadingHTTPServer):
    """Accepts connections, and drops them all when it closes: a client's pool must notice that the Hub is gone."""

    hub: HubServer
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.connections: set[Any] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().close_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of the Hub's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, lets a route or a fault answer it, and sends the answer."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 2**16

    def answer(self) -> None:
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        fault = hub.take_fault(f"{self.command} {path}")
        length = int(self.headers.get("Content-Length", 0))
        if fault and fault.cut_upload_after_bytes is not None:
            self.rfile.read(min(length, fault.cut_upload_after_bytes))
            return self.hang_up(path)
        body = self.rfile.read(length)
        if len(body) < length:  # the client hung up
            return self.hang_up(path)
        if fault and hub.stopping.wait(fault.delay_seconds):
            return None
        if fault and fault.meanwhile:
            fault.meanwhile()
        answer = ordered(fault) if fault and fault.refuses else self.respond(body)
        if fault and fault.content is not None:
            answer = Answer(200, {**answer.headers, "Content-Length": str(len(fault.content))}, [fault.content])
        hub.requests.append((self.command, path, answer.status))
        return self.send(answer, fault)

    def hang_up(self, path: str) -> None:
        """Leaves a request without an answer; its status counts as 0."""
        self.server.hub.requests.append((self.command, path, 0))
        self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def respond(self, body: bytes) -> Answer:
        hub, parts = self.server.hub, urlsplit(self.path)
        try:
            visitor = identify(hub, self.headers.get("Authorization", ""))
            query = dict(parse_qsl(parts.query))
            with hub.repositories.lock:
                return dispatch(Request(hub, self.command, parts.path, query, self.headers, body, visitor))
        except Refusal as refusal:
            code = {"X-Error-Code": refusal.code} if refusal.code else {}
            message = refusal.message.encode("ascii", "replace").decode()
            headers = {"X-Error-Message": message, **code, **refusal.headers}
            return as_json({"error": refusal.message}, refusal.status, headers)

    def send(self, answer: Answer, fault: Fault | None) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or answer.status in BODILESS:
            return
        for chunk in fault.spoilt(answer.body, self.server.hub.stopping.wait) if fault else answer.body:
            self.wfile.write(chunk)
            if fault and fault.bytes_per_second:
                self.wfile.flush()
        self.close_connection |= bool(fault and fault.cut_after_bytes is not None)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((time.time() if timestamp is None else timestamp) + self.server.hub.ahead)

    def log_message(self, format: str, *args: object) -> None:
        if self.server.hub.verbose:
            super().log_message(format, *args)


def ordered(fault: Fault) -> Answer:
    """The refusal, or the strange body, that a fault orders."""
    if fault.body is None:
        return as_json({"error": "a fault on order"}, fault.status or 200, fault.headers)
    lengths = {"Content-Type": "text/html", "Content-Length": str(len(fault.body))}
    return Answer(fault.status or 200, {**lengths, **fault.headers}, [fault.body])


def identify(hub: HubServer, authorization: str) -> Visitor:
    """A wrong token is refused everywhere, on public repositories too, as on the Hub."""
    token = authorization.removeprefix("Bearer ").strip()
    if token and token not in hub.tokens:
        raise Refusal(401, "Invalid credentials in Authorization header")
    return Visitor(hub.user, hub.tokens.get(token))


def dispatch(request: Request) -> Answer:
    """The answer of the first route that fits."""
    method = "GET" if request.method == "HEAD" else request.method
    for route_method, needs, pattern, handle in ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match and method == route_method:
            words: dict[str, Any] = {name: unquote(word) for name, word in match.groupdict().items() if word}
            if needs:
                name = words.pop("kind", "model"), words.pop("id")
                words["repository"] = request.hub.repositories.find(*name, request.visitor, needs)
            return handle(request, **words)
    raise Refusal(404, f"This Hub has no route for {request.method} {request.path}")


def main() -> None:
    parser = argparse.ArgumentParser(description="A small Hugging Face Hub on loopback.")
    parser.add_argument("--datasets", type=Path, metavar="FOLDER", help="serve FOLDER/owner/name/... as datasets")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--seconds", type=float, default=3600, help="stop by itself after that time")
    parser.add_argument("--store", type=Path, metavar="DIR", help="keep pushed repositories there, and find them again")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    options = parser.parse_args()
    hub = HubServer(port=options.port, store=options.store, verbose=options.verbose)
    if options.datasets:
        hub.serve_datasets(options.datasets)
    print(hub.url, f"(user {hub.user}, tokens {', '.join(hub.tokens)})")
    print(*(f"export {name}={value}" for name, value in hub.environment().items()), sep="\n", flush=True)
    with contextlib.suppress(KeyboardInterrupt), hub:
        time.sleep(options.seconds)


if __name__ == "__main__":
    main()
