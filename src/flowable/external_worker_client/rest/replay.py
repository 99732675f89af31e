"""A socket on which a request has been sent already, for code that sends and reads it from the beginning.

What is unusual about an answer, and everything that goes wrong, is left to urllib3 and requests: they are given the
connection with one of these in place of its socket. What they send is not sent again, and what they read is what has
come, then what comes. So whatever they make of it, they make of the same request and answer as ever.
"""

from __future__ import annotations

import io
import socket
from typing import Any, cast


class Replay:
    """Stands for a socket until the answer has been read.

    Args:
        real: The socket.
        received: What has been read from it.
        unsent: What sending raised. `None`: the request was sent.
        unread: What reading raised, behind what was received. `None`: there is more to be read, or the end.

    Attributes:
        real: The socket.
    """

    def __init__(
        self,
        real: socket.socket,
        received: bytes = b"",
        *,
        unsent: OSError | None = None,
        unread: OSError | None = None,
    ) -> None:
        self.real = real
        self._received = received
        self._unsent = unsent
        self._unread = unread

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a socket has
        return getattr(self.real, name)

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Do not send anything; raise what sending raised."""
        del data, flags
        if self._unsent is not None:
            raise self._unsent

    def makefile(self, mode: str = "r", buffering: int | None = None) -> io.BufferedReader:
        """Return a file that begins with what was received."""
        del mode, buffering
        # As a file, the socket stays open until this one is closed, too.
        rest = cast("io.RawIOBase", self.real.makefile("rb", buffering=0))
        return io.BufferedReader(_Rest(self._received, self._unread, rest))


class _Rest(io.RawIOBase):
    def __init__(self, received: bytes, failure: OSError | None, rest: io.RawIOBase) -> None:
        self._received = memoryview(received)
        self._failure = failure
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - anything that bytes can be written to
        if self._received:
            number = min(len(buffer), len(self._received))
            buffer[:number] = self._received[:number]
            self._received = self._received[number:]
            return number
        if self._failure is not None:
            raise self._failure
        return cast("int | None", self._rest.readinto(buffer))

    def close(self) -> None:
        self._rest.close()
        super().close()
