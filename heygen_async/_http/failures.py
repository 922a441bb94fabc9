"""
What broke, in words: an error of a socket, a name lookup or TLS as a sentence that names the host.
"""

from __future__ import annotations

import socket
import ssl

from .._redact import clean


def describe(error: BaseException, secrets: tuple[str, ...] = ()) -> str:
    """Return a sentence on a broken connection, without secrets and without another library's repr."""
    cause = getattr(error, "os_error", error)
    where = _place(error)
    match cause:
        case ssl.SSLCertVerificationError():
            problem = f"the certificate of {where} is not trusted ({cause.verify_message})"
        case ssl.SSLError():
            problem = f"TLS with {where} failed ({cause.reason or 'no reason given'})"
        case socket.gaierror() | UnicodeError():
            problem = f"the name of {where} cannot be looked up"
        case ConnectionRefusedError():
            problem = f"nothing listens at {where}"
        case ConnectionResetError() | BrokenPipeError():
            problem = "the other end closed the connection"
        case TimeoutError():
            problem = "it took too long"
        case OSError(strerror=str(reason)):
            problem = f"{where}: {reason}"
        case _:
            problem = str(error) or type(error).__name__
    return clean(problem, secrets)


def _place(error: BaseException) -> str:
    name, port = getattr(error, "host", None), getattr(error, "port", None)
    if not isinstance(name, str):
        return "the server"
    shown = f"[{name}]" if ":" in name else name
    return shown if port is None else f"{shown}:{port}"
