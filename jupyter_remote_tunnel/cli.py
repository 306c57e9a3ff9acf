"""`jupyter tunnel …`: where it begins. `shell` is what it does.

To import that takes a tenth of a second. Ctrl-C ends the process meanwhile by the signal (a shell
calls that status 130), as nothing has to be taken back, and not with a traceback. So this module
imports next to nothing.
"""

import signal
import sys


def main(argv: list[str] | None = None) -> int:
    """As `shell.main`."""
    raises = signal.default_int_handler
    # A shell has what it runs in the background ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is raises:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            from . import shell
        finally:
            signal.signal(signal.SIGINT, raises)
    else:
        from . import shell
    return shell.main(argv)


if __name__ == "__main__":
    sys.exit(main())
