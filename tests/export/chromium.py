"""A headless Chromium that a test drives through two pipes: it opens a page, drops files on it and takes pictures."""

import base64
import json
import os
import shutil
import subprocess
import time

PATH = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# without a network: the proxy is an address at which nobody answers
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
            "--no-first-run", "--disable-background-networking", "--proxy-server=127.0.0.1:9")  # fmt: skip


class Chromium:
    """One tab. Use it in a `with`, which ends the process."""

    def __init__(self, profile):
        self.profile, self.number = profile, 0

    def __enter__(self):
        theirs_in, self.out = os.pipe()
        self.inn, theirs_out = os.pipe()

        # the browser reads commands from 3 and writes answers to 4
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", PATH, *SWITCHES, f"--user-data-dir={self.profile}"],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self.left, self.session = b"", None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.inn)

    def ask(self, method, **values):
        """Sends a command and returns its result; events are skipped."""
        self.number += 1
        asked = {"id": self.number, "method": method, "params": values}
        asked |= {"sessionId": self.session} if self.session else {}
        os.write(self.out, json.dumps(asked).encode() + b"\0")
        while True:
            answer = json.loads(self.message())
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def message(self):
        """The next message of the browser, as text."""
        while b"\0" not in self.left:
            part = os.read(self.inn, 1 << 16)
            assert part, "the browser ended"
            self.left += part
        one, _, self.left = self.left.partition(b"\0")
        return one

    def value(self, expression):
        """The value of an expression of JavaScript on the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression, seconds=120):
        """Waits until an expression is true."""
        end = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < end, f"{expression}: {self.value('document.body.innerText')}"
            time.sleep(0.2)

    def drop(self, path, selector):
        """Drops a file on an element, as a mouse does."""
        box = self.value(
            f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect(); "
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.ask("Input.dispatchDragEvent", type=kind, x=box[0], y=box[1], data=data)

    def picture(self, path):
        """Writes what the page looks like as PNG."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))
