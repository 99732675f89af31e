"""Start a PostgreSQL server of one's own on this machine, for engines that must not forget anything.

The programs are those of the system's package (Debian: /usr/lib/postgresql/*/bin) or in PATH. The server listens on
127.0.0.1 and in its own folder only, has a password of its own, and writes everything to disk before it says so, as
PostgreSQL does unless told otherwise. It refuses to run as root: for root it runs as the user that the package makes.

Nothing but the standard library is used here.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"
USER = "flowable"
DATABASE = "postgres"  # the one that there is from the start, and empty
# Whom Debian's package makes for its servers.
SYSTEM_USER = "postgres"
PROGRAMS = ("initdb", "pg_isready", "postgres")
ADVICE = "On Debian and Ubuntu: apt-get install postgresql"

INIT_TIMEOUT = 60  # seconds
START_TIMEOUT = 30  # seconds
STOP_TIMEOUT = 15  # seconds
LOOK_AGAIN = 0.05  # seconds between two looks at something that is going to happen
LOG_LINES = 15  # of the log's end, in errors


class PostgresError(Exception):
    """The server could not be started; the text says why."""


# ---------------------------------------------------------------- what is there


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest of Debian's first; `None` when there are none."""
    packaged = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: _number(folder.parent.name), reverse=True
    )
    in_path = shutil.which("postgres")
    folders = [*packaged, *([Path(in_path).resolve().parent] if in_path else [])]
    return next((each for each in folders if all((each / program).exists() for program in PROGRAMS)), None)


def missing() -> str | None:
    """Return one sentence that says what is missing to start a server and how to get it, or `None`."""
    if sys.platform == "win32":
        return "A PostgreSQL server of one's own is started on Linux and macOS only."
    if find_programs() is None:
        return f"The engine on PostgreSQL needs its server programs (initdb, postgres), not found here. {ADVICE}"
    if os.geteuid() == 0 and _system_user() is None:
        return f"PostgreSQL refuses to run as root, and there is no user {SYSTEM_USER!r} to run it as. {ADVICE}"
    return None


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else 0.0


def _system_user() -> tuple[int, int] | None:
    """Return the ids of the package's user and its group."""
    if sys.platform == "win32":
        return None
    import pwd  # noqa: PLC0415  # does not exist on Windows

    with contextlib.suppress(KeyError):
        found = pwd.getpwnam(SYSTEM_USER)
        return found.pw_uid, found.pw_gid
    return None


# ---------------------------------------------------------------- the server


@dataclass(slots=True, kw_only=True)
class Postgres:
    """A server with an empty database. A context manager, which stops it and removes what it stored.

    Attributes:
        port: The port it listens on.
        folder: What it stores, its socket and its log.
        password: Of its one user.
    """

    port: int
    folder: Path
    password: str = field(repr=False)
    _process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def url(self) -> str:
        """What `engine.launch.start` takes as database."""
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{DATABASE}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def stop(self) -> None:
        """End the server and remove its folder. May be called more than once."""
        # In this order: ends the sessions and writes what there is; or ends at once; or has no say.
        for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(how)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_TIMEOUT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start() -> Postgres:
    """Start a server on a free port and wait until it answers.

    Raises:
        PostgresError: If there are no programs, or the server does not start; the text has the end of its log.
    """
    programs = find_programs()
    if (complaint := missing()) or programs is None:
        raise PostgresError(str(complaint))
    # Not in a folder of the caller: the server's user may not be let in there. Short: it is part of the socket's name.
    folder = Path(tempfile.mkdtemp(prefix="flowable-postgres-"))
    try:
        return _start(programs, folder, _free_port())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _start(programs: Path, folder: Path, port: int) -> Postgres:
    run_as = _run_as(folder)
    password = secrets.token_hex(16)
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    _hand_over(secret)
    data = folder / "data"
    init = [str(programs / "initdb"), "-D", str(data), "-U", USER, "-E", "UTF8", "--locale=C"]
    init += ["--auth=scram-sha-256", f"--pwfile={secret}"]
    made = subprocess.run(
        init,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INIT_TIMEOUT,
        check=False,
        **run_as,
    )
    secret.unlink()
    if made.returncode:
        raise PostgresError(f"initdb ended with status {made.returncode}:\n{made.stdout}")
    log = folder / "log"
    command = [str(programs / "postgres"), "-D", str(data), "-h", HOST, "-p", str(port), "-k", str(folder)]
    # It ends with whoever started it, also when that is killed. setpriv is everywhere on Linux, and nowhere else.
    if setpriv := shutil.which("setpriv"):
        command = [setpriv, "--pdeathsig", "INT", "--", *command]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **run_as
        )
    server = Postgres(port=port, folder=folder, password=password, _process=process)
    try:
        _wait_until_ready(server, programs, log)
    except BaseException:
        server.stop()
        raise
    return server


def _free_port() -> int:
    """Return a port that nobody listens on.

    From below the range that systems take the near ends of connections from: nobody takes it by chance meanwhile.
    """
    for port in random.SystemRandom().sample(range(20_000, 30_000), 20):
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex((HOST, port)):
                return port
    raise PostgresError("no free port was found")


def _run_as(folder: Path) -> dict[str, Any]:
    """Return what makes `subprocess` run something as the server's user, who gets the folder."""
    ids = _hand_over(folder)
    return {} if ids is None else {"user": ids[0], "group": ids[1], "extra_groups": []}


def _hand_over(path: Path) -> tuple[int, int] | None:
    """Give a path to the server's user, and return that one's ids; `None` when that is ourselves."""
    if sys.platform == "win32" or os.geteuid() != 0 or (ids := _system_user()) is None:
        return None
    os.chown(path, *ids)
    return ids


def _wait_until_ready(server: Postgres, programs: Path, log: Path) -> None:
    ask = [str(programs / "pg_isready"), "--quiet", "-h", HOST, "-p", str(server.port)]
    end = time.monotonic() + START_TIMEOUT
    # Whether it is this server that answers, its process tells: with a taken port it ends by itself.
    while server._process.poll() is None and time.monotonic() < end:  # noqa: SLF001  # one job in two parts
        if subprocess.run(ask, timeout=START_TIMEOUT, check=False).returncode == 0:
            return
        time.sleep(LOOK_AGAIN)
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    raise PostgresError("\n".join(["PostgreSQL did not start. Its log ends with:", *lines]))
