"""A `sitecustomize.py` with which Python behaves as on another machine that shares a folder with this one.

Its name is another, and its locks do not reach further than the process. TEST_SUSPEND makes one training of it suspend
itself, once: within an append to the log, or between the check of its claim and the rename of a state.
"""

CODE = r"""
import fcntl, os, platform, signal, sys, threading, time

if name := os.environ.get("TEST_HOST"):
    platform.node = lambda: name
    fcntl.flock = lambda *_: None

if (where := os.environ.get("TEST_SUSPEND")) and "train" in sys.orig_argv:
    def suspend():
        try:
            os.close(os.open("suspended", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return
        with open("suspended", "w") as file:
            file.write(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)

    def when_imported(module, change):
        while module not in sys.modules or not is_complete(sys.modules[module]):
            time.sleep(0.002)
        change(sys.modules[module])

    def is_complete(module):
        return getattr(module, "__spec__", None) and not getattr(module.__spec__, "_initializing", False)

    def of_log(module):
        before, count = module.no_space_named, [0]
        def within(path, wanted=0):
            count[0] += wanted > 0
            if count[0] == 12:  # after some states were saved
                suspend()
            return before(path, wanted)
        module.no_space_named = within

    def of_state(module):
        before, count = module.require_allowed, [0]
        def allowed(**more):
            before(**more)
            frame = sys._getframe(1)
            path = frame.f_locals.get("path")
            if frame.f_code.co_name == "replacing" and "aside" in frame.f_locals and ".safetensors" in str(path):
                count[0] += "state-" in path.name
                if count[0] == 4:
                    suspend()
        module.require_allowed = allowed

    module, change = {"log": ("app.log", of_log), "state": ("app.system.durable", of_state)}[where]
    threading.Thread(target=when_imported, args=(module, change), daemon=True).start()
"""
