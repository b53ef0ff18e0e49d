"""The ways a command ends that are not our defect, each with its documented exit code."""


class InputError(ValueError):
    """What the user gave cannot be used; the message is one sentence that says what to do (exit 2)."""


class HubUnavailable(InputError):
    """The Hub did not answer, or answered with a failure of its own, after every retry."""


class NotUploaded(RuntimeError):
    """The run is finished and safe on this machine, but it is not on the Hub (exit 3)."""


class Stopped(BaseException):
    """A signal or the time limit asked to stop; the same command goes on from what is saved (exit 75).

    Like KeyboardInterrupt it is no Exception, so that nothing on the way takes it for an error and goes on. `saved`
    says that training stopped at a step's end with its state saved, `in_time` that nobody is about to kill the process.
    """

    def __init__(self, message: str, *, saved: bool = False, in_time: bool = False) -> None:
        super().__init__(message)
        self.saved, self.in_time = saved, in_time
