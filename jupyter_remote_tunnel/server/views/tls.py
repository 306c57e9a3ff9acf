"""TLS towards an application that speaks https on its host's loopback."""

import functools
import ssl


@functools.cache
def context() -> ssl.SSLContext:
    """A context that takes any certificate.

    That of a loopback is signed by its own maker or by nobody, and made out to some other name. It
    is SSH that has authenticated the host, by the host's key, and what is behind the forward is
    reached on that host alone.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


SERVER_NAME = "localhost"
