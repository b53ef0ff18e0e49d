"""Children that are timed end with what times them."""

import subprocess
import sys
import time

import pytest

from benchmarks import children
from benchmarks.children import Stage

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]


@pytest.mark.parametrize("how", ["whole", "until_said"])
def test_a_child_ends_where_its_timing_is_stopped(tmp_path, monkeypatch, how):
    started = []

    class Stopped(subprocess.Popen):
        """Whose first wait is stopped, as SIGTERM stops a command."""

        def __init__(self, *given, **more):
            super().__init__(*given, **more)
            started.append(self)
            self.waited = 0
            if self.stdout:
                self.stdout.close()  # the first read is refused

        def wait(self, timeout=None):
            self.waited += 1
            if self.waited == 1 and not self.stdout:
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr(children.subprocess, "Popen", Stopped)
    began = time.monotonic()
    with pytest.raises((KeyboardInterrupt, ValueError)):
        getattr(Stage(tmp_path, {}), how)(SLEEP)
    assert started[0].poll() is not None and time.monotonic() - began < 30
