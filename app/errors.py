"""The ways a command ends that are not our defect, each with its documented exit code."""


class InputError(ValueError):
    """What the user gave cannot be used; the message is one sentence that says what to do (exit 2)."""


class HubUnavailable(InputError):
    """The Hub did not answer, or answered with a failure of its own, after every retry."""


class NotUploaded(RuntimeError):
    """The run is finished and safe on this machine, but it is not on the Hub (exit 3)."""


class Stopped(RuntimeError):
    """A signal asked the run to stop; its state is saved and the same command continues it (exit 75)."""
