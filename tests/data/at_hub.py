"""A process of its own for the real Hub clients, which read HF_ENDPOINT once: it answers a line of JSON with another.

It waits a hundredth as long as the clients would, so that their retries can be seen in a test.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]


class Client:
    """The process, from its first question to `close`; cache and home lie below `folder`."""

    def __init__(self, server, folder):
        self.cache = folder / "cache"
        environment = {**os.environ, **server.environment(token=None, home=folder / "home"), "HF_HUB_OFFLINE": "0"}
        self.process = subprocess.Popen(
            [sys.executable, __file__], cwd=ROOT, env=environment | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def _ask(self, **question):
        print(json.dumps(question | {"cache": str(self.cache)}), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def read(self, dataset, *, version=None, **request):
        """What `facts` and `prepare` came to: classes, manifest, what was said, or the error's sentence."""
        return self._ask(request=request | {"dataset": dataset}, version=version)

    def run(self, *arguments):
        """A command line's exit code and what it printed."""
        return self._ask(arguments=arguments)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0


def read(request, version):
    from app import data
    from app.errors import Explained

    said, seen = [], []
    try:
        facts = data.facts(request, said.append, lambda *at: seen.append(at))
        path = request["dataset"] if facts.fingerprint else None
        ask = data.ask_of({"image": facts.native} | request | {"dataset": facts.name}, path=path)
        cached = data.prepare(ask, said.append, lambda *at: seen.append(at), version=version)
    except Explained as error:
        return {"error": str(error), "said": said}
    was_read = {split: rows for split, rows, _, _ in seen}
    return {
        "classes": facts.classes,
        "said": said,
        "was_read": was_read,
        "folder": str(cached.folder),
    } | msgspec.to_builtins(cached.manifest)


def run(arguments):
    from app.cli import main

    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(arguments)
    return {"code": code, "stdout": out.getvalue(), "stderr": err.getvalue()}


def answer_all():
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(seconds / 100)
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        question = json.loads(line)
        os.environ["ISOSCALE_CACHE"] = question.pop("cache")
        answer = run(**question) if "arguments" in question else read(**question)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    answer_all()
