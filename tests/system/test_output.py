"""Output that nobody takes ends the printing alone: no print, thread, warning or shutdown of a process fails by it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TALKING = """
import logging, os, sys, threading, warnings
from pathlib import Path
from app.system import output

output.last()
logging.basicConfig()
lines = 5000

def talk(stream):
    for number in range(lines):
        print("a line that is long enough to fill a pipe soon", number, file=stream, flush=number % 7 == 0)

threads = [threading.Thread(target=talk, args=(stream,)) for stream in (sys.stdout, sys.stderr) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.stdout.write("x" * 3_000_000)
sys.__stdout__.buffer.write(b"bytes")
warnings.warn("a warning")
logging.getLogger("any").error("an error")
try:
    1 / 0
except ZeroDivisionError:
    sys.excepthook(*sys.exc_info())
from tqdm import tqdm
list(tqdm(range(100), mininterval=0))
os.system("echo from a child >&2")
with open("kept", "w") as file:  # never a descriptor of the streams
    assert file.fileno() > 2
    file.write(str(output.failure() and output.failure().errno))
print("the last words, without a flush")
"""
WAYS = {
    "a reader that goes away": ("2>&1 | head -1", 32),
    "a reader that is not there": ("2>&1 | true", 32),
    "stdout's reader goes away": ("2>/dev/null | head -c 1", 32),
    "stderr's reader goes away": ("2> >(head -c 1 >/dev/null) >/dev/null", None),
    "both are closed": (">&- 2>&-", None),
    "all three are closed": ("<&- >&- 2>&-", None),
    "stderr is closed": ("2>&- >/dev/null", None),
    "stdout is closed": (">&- 2>/dev/null", None),
    "both are full": (">/dev/full 2>/dev/full", 28),
    "stderr is full": ("2>/dev/full >/dev/null", None),
    "only for reading": ("1</dev/null 2<&1", 9),
    "a file that may not grow": (">grown 2>&1", 27),
}


def shell(script, folder, code=TALKING, **environment):
    (folder / "code.py").write_text(code)
    limit = "ulimit -f 8; " if "grown" in script else ""
    line = f"{limit}{sys.executable} code.py {script}; echo ${{PIPESTATUS[0]}} > code"
    path = {"PYTHONPATH": str(ROOT)}
    subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=os.environ | path | environment,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return int((folder / "code").read_text())


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, id=name, marks=pytest.mark.slow if at % 3 else ())
        for at, (name, way) in enumerate(WAYS.items())
    ],
)
def test_whatever_becomes_of_its_streams_a_process_does_all_its_work_and_ends_with_0(tmp_path, way):
    script, number = way
    assert shell(script, tmp_path) == 0
    assert (tmp_path / "kept").read_text() == str(number)


def test_what_can_be_printed_is_printed_in_order_and_whole(tmp_path):
    code = "from app.system import output\noutput.last()\n[print(n) for n in range(20000)]\nimport sys\nsys.exit(5)"
    assert shell("> said 2>&1", tmp_path, code) == 5
    assert (tmp_path / "said").read_text() == "".join(f"{number}\n" for number in range(20000))


def test_a_reader_that_does_not_block_gets_everything_in_its_time(tmp_path):
    code = (
        "import os\nos.set_blocking(1, False)\nfrom app.system import output\noutput.last()\n"
        "[print('y' * 999) for _ in range(1000)]\nassert not output.failure()"
    )
    assert shell("| (sleep 0.3; wc -c > said)", tmp_path, code) == 0
    assert int((tmp_path / "said").read_text()) == 1_000_000


def test_a_character_that_a_stream_cannot_show_is_shown_as_its_code(tmp_path):
    code = "from app.system import output\noutput.last()\nprint('caf\\u00e9 \\u732b')"
    assert shell("> said", tmp_path, code, PYTHONIOENCODING="ascii") == 0
    assert (tmp_path / "said").read_text() == "caf\\xe9 \\u732b\n"


def test_a_full_disk_that_is_freed_is_written_to_again(tmp_path):
    code = (
        "import os\nfrom app.system import output\noutput.last()\nprint('lost', flush=True)\n"
        "os.dup2(os.open('freed', os.O_CREAT | os.O_WRONLY), 1)\nprint('kept', flush=True)\nassert output.failure()"
    )
    assert shell("> /dev/full", tmp_path, code) == 0
    assert (tmp_path / "freed").read_text() == "kept\n"
