"""Settings from the environment. One set of names everywhere.

- `FLOWABLE_URL`: address of the engine up to before `/external-job-api`
- `FLOWABLE_USERNAME` and `FLOWABLE_PASSWORD`: for HTTP Basic
- `FLOWABLE_TOKEN`: a token, sent as `Authorization: Bearer …`
- `FLOWABLE_TOKEN_FILE`: a file that holds the token, read again when it changes
- `FLOWABLE_WORKER_ID`: the name that jobs are locked under; unset: a generated one
- `FLOWABLE_ENGINE`: release of the engine, such as `7.2`
- `FLOWABLE_JOURNAL`: path of the journal
- `FLOWABLE_TRANSPORT`: what carries requests, `fast` or `requests`; unset: the fast one if it is installed and nobody
  could notice the difference
- `FLOWABLE_REQUESTS_AT_ONCE`: most requests under way at a time; unset: found out by itself
- `FLOWABLE_WORKER_LOCK`, `_CONCURRENCY`, `_NUMBER_OF_TASKS`, `_POLL`, `_TIMEOUT`: options of handlers, for those that
  neither set them themselves nor belong to a worker that does
- `FLOWABLE_WORKER_TOTAL_CONCURRENCY`: most jobs that a worker holds at once, for those that do not say so themselves;
  unset: any number

A variable that is empty counts as not set.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from requests import PreparedRequest
from requests.auth import AuthBase, HTTPBasicAuth

from flowable.external_worker_client import arguments
from flowable.external_worker_client.cloud_token import FlowableCloudToken
from flowable.external_worker_client.errors import ExternalWorkerError, InvalidArgumentError


class SettingsError(ExternalWorkerError, ValueError):
    """A variable of the environment is missing, or its value is not what is accepted.

    Attributes:
        variable: Name of the variable.
    """

    def __init__(self, variable: str, message: str) -> None:
        self.variable = variable
        super().__init__(f"{variable} {message}")

    def __reduce__(self) -> tuple[type[SettingsError], tuple[str, str]]:
        """Keep the attribute when the exception is pickled."""
        return type(self), (self.variable, str(self).removeprefix(f"{self.variable} "))


class TokenFile(AuthBase):
    """A token that somebody else keeps fresh in a file, as Kubernetes and vault agents do.

    The file is looked at before every request, and read again when it has changed. A file that cannot be read, or is
    empty, fails the request, which is sent again later.

    Args:
        path: Of the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._token = ""

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Set the header."""
        r.headers["Authorization"] = f"Bearer {self.token()}"
        return r

    def token(self) -> str:
        """Return the token that is in the file now.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is empty, or holds something else than a token. What it holds is not shown.
        """
        found = self._path.stat()
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        with self._lock:
            if self._seen != version:
                self._token = self._read()
                self._seen = version
            return self._token

    def _read(self) -> str:
        text = self._path.read_bytes().decode("utf-8-sig", "replace").strip()
        if not text:
            raise ValueError(f"the token file {str(self._path)!r} is empty")
        if not all(" " <= character <= "~" for character in text):
            raise ValueError(
                f"the token file {str(self._path)!r} holds something else than one line of printable ASCII"
            )
        return text

    def __repr__(self) -> str:
        """Name the file; not what is in it."""
        return f"TokenFile({str(self._path)!r})"


def auth(environment: Mapping[str, str]) -> AuthBase | None:
    """Return the credentials that the environment gives. `None`: none.

    Raises:
        SettingsError: It gives more than one kind, or half of a pair.
    """
    name, password, token, file = (
        environment.get(f"FLOWABLE_{variable}") or None for variable in ("USERNAME", "PASSWORD", "TOKEN", "TOKEN_FILE")
    )
    given = {"FLOWABLE_USERNAME": name or password, "FLOWABLE_TOKEN": token, "FLOWABLE_TOKEN_FILE": file}
    kinds = [variable for variable, value in given.items() if value is not None]
    if len(kinds) > 1:
        others = " and ".join(kinds[1:])
        raise SettingsError(kinds[0], f"is set, and {others} too: give a name and password, or a token, or a file")
    if (name is None) != (password is None):
        missing = "FLOWABLE_PASSWORD" if password is None else "FLOWABLE_USERNAME"
        raise SettingsError(missing, "is not set, but the other half of the credentials is")
    if name is not None and password is not None:
        return HTTPBasicAuth(name, password)
    if token is not None:
        try:
            return FlowableCloudToken(token)
        except InvalidArgumentError as error:
            raise SettingsError("FLOWABLE_TOKEN", f"is not usable: it must be {error.accepted}") from None
    return None if file is None else TokenFile(file)


def url(environment: Mapping[str, str]) -> str:
    """Return the address of the engine.

    Raises:
        SettingsError: It is not set: credentials must not go to an address that nobody chose.
    """
    found = environment.get("FLOWABLE_URL")
    if not found:
        raise SettingsError(
            "FLOWABLE_URL", 'is not set: give the address of the engine, such as "http://localhost:8090/flowable-rest"'
        )
    return found


def transport(environment: Mapping[str, str]) -> Literal["requests", "fast"] | None:
    """Return what carries requests. `None`: it is left open.

    Raises:
        SettingsError: It is something else.
    """
    found = environment.get("FLOWABLE_TRANSPORT") or None
    if found is None:
        return None
    try:
        return arguments.transport(found)
    except InvalidArgumentError:
        raise SettingsError("FLOWABLE_TRANSPORT", f'is {found!r}: "fast" or "requests" is accepted') from None


def option(environment: Mapping[str, str], name: str) -> str | None:
    """Return the text of an option of handlers, such as `LOCK`. `None`: it is not set."""
    return environment.get(f"FLOWABLE_WORKER_{name}") or None


def whole_number(environment: Mapping[str, str], name: str) -> int | None:
    """Return an option that is a whole number. `None`: it is not set.

    Raises:
        SettingsError: It is something else.
    """
    return _whole_number(environment, f"FLOWABLE_WORKER_{name}")


def requests_at_once(environment: Mapping[str, str]) -> int | None:
    """Return how many requests may be under way at a time. `None`: it is not set.

    Raises:
        SettingsError: It is not a whole number of at least 1.
    """
    return _whole_number(environment, "FLOWABLE_REQUESTS_AT_ONCE")


def _whole_number(environment: Mapping[str, str], variable: str) -> int | None:
    text = environment.get(variable) or None
    if text is None:
        return None
    if not text.strip().isdecimal() or int(text) < 1:
        raise SettingsError(variable, f"is {text!r}: a whole number of at least 1 is accepted")
    return int(text)
