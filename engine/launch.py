"""Build and start a real Flowable engine on this machine.

`python engine/launch.py` does it for people (see `--help`), `make engine` calls that. Tests and benchmarks use the
functions: `build` puts the engine together with Maven when its sources changed, `start` runs it and returns an
`Engine`, which waits for it, stops it or kills it.

Nothing but the standard library is used here, and a JDK and Maven outside of Python.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import FrameType

HERE = Path(__file__).resolve().parent
PROFILES = {"7.2.0": "flowable-7.2", "7.0.1": "flowable-7.0", "6.8.0": "flowable-6.8"}
DEFAULT_RELEASE = "7.2.0"
DEFAULT_PORT = 8090
HOST = "127.0.0.1"
CONTEXT = "/flowable-rest"
USERNAME = "rest-admin"
PASSWORD = "test"  # noqa: S105  # the engine listens on this machine only

OLDEST_JDK = 17
ADVICE = f"On Debian and Ubuntu: apt-get install openjdk-{OLDEST_JDK}-jdk-headless (or a newer one) maven"
# Up quickly and small, which is what tests want. A benchmark wants the optimising compiler: jvm_flags=("-Xmx2g",).
QUICK_START = ("-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx512m")

BUILD_TIMEOUT = 900  # seconds; the first build fetches some 150 artifacts
START_TIMEOUT = 120  # seconds
STOP_TIMEOUT = 15  # seconds
LOOK_AGAIN = 0.05  # seconds between two looks at something that is going to happen
PROBE_TIMEOUT = 5  # seconds for one request or one `javac -version`
KEEP_LOGS = 86_400  # seconds
LOG_LINES = 15  # of the log's end, in errors


class EngineError(Exception):
    """The engine could not be built, started or reached; the text says what to do about it."""


class MissingToolsError(EngineError):
    """There is no JDK, or none that is new enough, or no Maven."""


class PortInUseError(EngineError):
    """Something else listens on the port that was asked for."""


# ---------------------------------------------------------------- tools


def find_jdk() -> Path | None:
    """Return the home of a JDK that is new enough: JAVA_HOME, the one in PATH, or one below /usr/lib/jvm."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    in_path = shutil.which("javac")
    homes += [Path(in_path).resolve().parent.parent] if in_path else []
    homes += sorted(Path("/usr/lib/jvm").glob("*"), reverse=True)
    return next((home for home in dict.fromkeys(homes) if (jdk_version(home) or 0) >= OLDEST_JDK), None)


def jdk_version(home: Path) -> int | None:
    """Return the version of the JDK at `home`, or `None` when there is no working compiler."""
    javac = shutil.which("javac", path=str(home / "bin"))
    if javac is None:
        return None
    try:
        answer = subprocess.run([javac, "-version"], capture_output=True, text=True, timeout=PROBE_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"javac (\d+)", answer.stdout + answer.stderr)
    return int(version[1]) if version else None


def missing_tools(releases: Iterable[str] = PROFILES) -> str | None:
    """Return one sentence that says what is missing to build and run these releases and how to get it, or `None`.

    Maven is not missing when all of them are built already.
    """
    missing = [] if find_jdk() else [f"a JDK, version {OLDEST_JDK} or newer,"]
    if not shutil.which("mvn") and not all(application(release).is_dir() for release in releases):
        missing.append("Maven (mvn)")
    if not missing:
        return None
    return f"The real engine needs {' and '.join(missing).rstrip(',')}, not found here. {ADVICE}"


# ---------------------------------------------------------------- build


def build(release: str = DEFAULT_RELEASE) -> Path:
    """Build the engine unless it is built already, and return the directory to start it from.

    Processes that build at the same time wait for the first of them.

    Args:
        release: The release of Flowable: 7.2.0, 7.0.1 or 6.8.0.

    Returns:
        Path: The unpacked application. Starting from it takes half the time that starting the single jar takes.

    Raises:
        EngineError: If the release is not one of these, or Maven fails; the text has the end of its output.
        MissingToolsError: If there is no JDK that is new enough, or no Maven.
    """
    if release not in PROFILES:
        raise EngineError(f"release must be one of {', '.join(PROFILES)}, not {release!r}")
    unpacked = application(release)
    if unpacked.is_dir():
        return unpacked
    target = unpacked.parent
    target.mkdir(parents=True, exist_ok=True)
    # Two releases share src and Maven's local repository, so one lock for all.
    with locked(HERE / "target" / "build.lock"):
        if not unpacked.is_dir():
            run_maven(release, target)
            for outdated in target.glob("app-*"):
                shutil.rmtree(outdated, ignore_errors=True)
            partial = target / "unpacking"
            shutil.rmtree(partial, ignore_errors=True)
            with zipfile.ZipFile(target / "engine.jar") as jar:
                jar.extractall(partial, [name for name in jar.namelist() if name.startswith("BOOT-INF/")])
            (partial / "BOOT-INF").rename(unpacked)
            partial.rmdir()
    return unpacked


def application(release: str) -> Path:
    """Return where a release is once it is built from the present sources, in one step; its name is the proof."""
    return HERE / "target" / release / f"app-{fingerprint()}"


def fingerprint() -> str:
    """Return a short hash of everything that the engine is built from."""
    digest = hashlib.sha256()
    for path in [HERE / "pom.xml", *sorted(path for path in (HERE / "src").rglob("*") if path.is_file())]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(HERE).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def run_maven(release: str, target: Path) -> None:
    """Run Maven for one release; it leaves `engine.jar` in `target`."""
    if complaint := missing_tools([release]):
        raise MissingToolsError(complaint)
    shutil.rmtree(target / "classes", ignore_errors=True)
    # The full path: on Windows the program is mvn.cmd.
    maven = str(shutil.which("mvn"))
    command = [maven, "-q", "-B", "-ntp", "-Dstyle.color=never", "-f", str(HERE / "pom.xml"), "-P", PROFILES[release]]
    try:
        done = subprocess.run(
            [*command, "package"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_TIMEOUT,
            check=False,
            env={**os.environ, "JAVA_HOME": str(find_jdk())},
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"Maven did not finish building Flowable {release} within {BUILD_TIMEOUT} s") from error
    if done.returncode:
        end = "\n".join(done.stdout.strip().splitlines()[-LOG_LINES:])
        raise EngineError(f"Maven could not build Flowable {release} (exit status {done.returncode}):\n{end}")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; the operating system takes it back when the process ends, however it ends."""
    with path.open("a+b") as file:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415  # exists on Windows only

            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError:  # gives up after ten attempts of one second
                    continue
            try:
                yield
            finally:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            import fcntl  # noqa: PLC0415  # does not exist on Windows

            fcntl.flock(file, fcntl.LOCK_EX)
            yield


# ---------------------------------------------------------------- start


@dataclass(slots=True, kw_only=True)
class Engine:
    """A Flowable engine that runs in a process of its own on this machine.

    Attributes:
        release: The release of Flowable.
        port: The port it listens on.
        pid: Its process.
        log: What it prints.
        username: For basic authentication.
        password: For basic authentication.
    """

    release: str
    port: int
    pid: int
    log: Path
    username: str = USERNAME
    password: str = field(default=PASSWORD, repr=False)
    # None: started by another process, which may be gone.
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address that clients take, without a slash at the end."""
        return f"http://{HOST}:{self.port}{CONTEXT}"

    def healthy(self) -> bool:
        """Ask the engine whether it is up; `False` also when nothing answers."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PROBE_TIMEOUT)
        try:
            connection.request("GET", f"{CONTEXT}/actuator/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait_healthy(self, deadline: float = START_TIMEOUT) -> None:
        """Wait until the engine answers.

        Args:
            deadline: How long to wait at most, in seconds from now.

        Raises:
            PortInUseError: If something else took the port before this engine could.
            EngineError: If the engine ended, or is not up in time; the text has the end of its log.
        """
        end = time.monotonic() + deadline
        while not self.healthy():
            self._complain_if_ended()
            if time.monotonic() > end:
                raise EngineError(f"Flowable {self.release} is not up after {deadline:g} s. {log_end(self.log)}")
            time.sleep(LOOK_AGAIN)

    def wait(self, deadline: float) -> int | None:
        """Wait until the engine's process has ended.

        Args:
            deadline: How long to wait at most, in seconds from now.

        Returns:
            int | None: Its exit status. `None`: it still runs, or another process started it, which alone can know.
        """
        if self._process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(deadline)
        return None

    def stop(self) -> None:
        """End the engine in good order, and by force if that takes longer than 15 s. May be called more than once."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the engine as a power cut would: at once, and without a chance to put anything in order."""
        if sys.platform == "win32":
            self._end(signal.SIGTERM)  # the one way to end a process there, and it asks nobody
        else:
            self._end(signal.SIGKILL)

    def _complain_if_ended(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            if f"Port {self.port} was already in use" in self.log.read_text(errors="replace"):
                raise PortInUseError(f"Port {self.port} is in use by another program")
            raise EngineError(
                f"Flowable {self.release} ended with status {self._process.returncode}. {log_end(self.log)}"
            )

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(how)
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_TIMEOUT)
            return
        # Not our child, so there is no waiting for the process itself. The open port also says that the number
        # still means the engine, and no later process that was given it.
        if not self.healthy():
            return
        os.kill(self.pid, how)
        end = time.monotonic() + STOP_TIMEOUT
        while self.healthy():
            if time.monotonic() > end:
                raise EngineError(f"Flowable {self.release}, process {self.pid}, does not end")
            time.sleep(LOOK_AGAIN)


def start(
    release: str = DEFAULT_RELEASE,
    *,
    port: int = 0,
    database: str | Path = "memory",
    reset_interval: float = 1.0,
    executor: bool = True,
    settings: Mapping[str, str] | None = None,
    jvm_flags: Sequence[str] = QUICK_START,
    exit_with: int | None = None,
    log: Path | None = None,
) -> Engine:
    """Build an engine if necessary and start it. `wait_healthy` of the result tells when it is up.

    Args:
        release: The release of Flowable: 7.2.0, 7.0.1 or 6.8.0.
        port: The port to listen on. With 0 the engine takes a free one, and this returns when it has, which is only
            a moment before it is up; with another number it returns at once.
        database: `"memory"`: empty at every start. A path: H2 on disk, made if it does not exist; every commit is on
            disk before it is acknowledged. `postgresql://user:password@host:port/name`: that database.
        reset_interval: Seconds between two looks for locks and retry time-outs that have run out. Flowable's own
            default is 60.
        executor: Whether the engine continues processes by itself and resets locks. Without it, everything stays
            where it is: for tests of such states.
        settings: Further Spring Boot or Flowable properties by their names.
        jvm_flags: Flags for Java. The default suits tests; it turns the optimising compiler off.
        exit_with: A process; when that ends, the engine ends too. `None`: this process.
        log: Where the output goes. `None`: a new file in engine/.run.

    Raises:
        EngineError: If it cannot be built, or ends before it listens.
        MissingToolsError: If there is no JDK that is new enough, or no Maven.
        PortInUseError: If something else listens on the port.
    """
    if port and port_in_use(port):
        raise PortInUseError(f"Port {port} is in use by another program")
    built = build(release)
    jdk = find_jdk()
    if jdk is None:
        raise MissingToolsError(str(missing_tools([release])))
    with tempfile.TemporaryDirectory(prefix="flowable-engine-") as scratch:
        port_file = Path(scratch) / "port"
        properties, environment = database_settings(database)
        properties |= {
            "server.port": str(port),
            "flowable.async-executor-activate": str(executor).lower(),
            "flowable.process.async.executor.reset-expired-jobs-interval": f"PT{reset_interval:.3f}S",
            "flowable.cmmn.async.executor.reset-expired-jobs-interval": f"PT{reset_interval:.3f}S",
            "exit-with": str(exit_with or os.getpid()),
            **(settings or {}),
        }
        classpath = [built / "classes", *sorted((built / "lib").glob("*.jar"))]
        command = [str(jdk / "bin" / "java"), *jvm_flags, "-cp", os.pathsep.join(map(str, classpath)), "engine.Engine"]
        log = log or new_log(release)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in properties.items())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Only when somebody waits for it: the engine makes the directory anew when it is gone.
                env={**os.environ, **environment, **({} if port else {"PORTFILE": str(port_file)})},
            )
        engine = Engine(release=release, port=port, pid=process.pid, log=log, _process=process)
        try:
            if not port:
                engine.port = wait_for_port(engine, port_file)
        except BaseException:
            engine.kill()
            raise
    return engine


def wait_for_port(engine: Engine, file: Path) -> int:
    """Wait until the engine has written which port it took."""
    end = time.monotonic() + START_TIMEOUT
    while True:
        engine._complain_if_ended()  # noqa: SLF001  # one job in two parts
        text = file.read_text() if file.exists() else ""
        if text:
            return int(text)
        if time.monotonic() > end:
            raise EngineError(f"Flowable {engine.release} listens on no port. {log_end(engine.log)}")
        time.sleep(LOOK_AGAIN)


def database_settings(database: str | Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the engine is told about its database: properties, and environment for what nobody should see."""
    if database == "memory":
        return {}, {}
    parts = urllib.parse.urlsplit(str(database))
    if parts.scheme in {"postgres", "postgresql"}:
        url = f"jdbc:postgresql://{parts.hostname or HOST}:{parts.port or 5432}{parts.path}"
        secrets = {"USERNAME": parts.username, "PASSWORD": parts.password}
        environment = {f"SPRING_DATASOURCE_{key}": urllib.parse.unquote(text) for key, text in secrets.items() if text}
        return {"spring.datasource.url": url}, environment
    path = Path(database).resolve().as_posix()
    # By default H2 writes half a second late, and an engine that is killed forgets what it has acknowledged.
    return {"spring.datasource.url": f"jdbc:h2:file:{path};WRITE_DELAY=0;DB_CLOSE_ON_EXIT=FALSE"}, {}


def port_in_use(port: int) -> bool:
    """Tell whether something on this machine answers on a port."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=PROBE_TIMEOUT):
        return True
    return False


def new_log(release: str) -> Path:
    """Make a new, empty log file, and remove those that nobody wrote to for a day."""
    folder = HERE / ".run"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > KEEP_LOGS:
                old.unlink()
    handle, name = tempfile.mkstemp(prefix=f"{release}-", suffix=".log", dir=folder)
    os.close(handle)
    return Path(name)


def log_end(log: Path) -> str:
    """Return where the log is and its last lines."""
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
    return "\n".join([f"Its log, {log}, ends with:", *lines])


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and start an engine, say where it is, and stay until told to end.

    Returns:
        int: 0 when it was told to end, 1 when something went wrong; that is printed.
    """
    parser = argparse.ArgumentParser(description="Build and start a real Flowable engine on this machine.")
    parser.add_argument("--release", choices=PROFILES, default=DEFAULT_RELEASE, help="default: %(default)s")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="default: %(default)s; 0 takes a free one")
    parser.add_argument(
        "--database",
        default="memory",
        metavar="WHERE",
        help="memory (default), a path (H2 on disk), or postgresql://user:password@host:port/name",
    )
    parser.add_argument("--reset-interval", type=float, default=1.0, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--no-executor", action="store_true", help="nothing moves on by itself")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any further property")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    engine = None
    try:
        print(f"Flowable {options.release}: building (the first time takes some minutes) and starting ...", flush=True)
        engine = start(
            options.release,
            port=options.port,
            database=options.database,
            reset_interval=options.reset_interval,
            executor=not options.no_executor,
            settings=dict(setting.partition("=")[::2] for setting in options.set),
        )
        engine.wait_healthy()
        print(introduction(engine), flush=True)
        return follow(engine)
    except KeyboardInterrupt:
        print("\nEnding the engine.", flush=True)
        return 0
    except PortInUseError as error:
        print(f"{error}. Is an engine running already? Another port: --port 8091", file=sys.stderr)
        return 1
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if engine is not None:
            engine.stop()


def follow(engine: Engine) -> int:
    """Stay as long as the engine does."""
    # In short steps: on Windows nothing, Ctrl-C included, interrupts a wait.
    while (status := engine.wait(1)) is None:
        pass
    print(f"The engine ended by itself, with status {status}. {log_end(engine.log)}", file=sys.stderr)
    return 1


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt


def introduction(engine: Engine) -> str:
    """Return what people want to know about an engine that is up."""
    credentials = f"{engine.username}:{engine.password}"
    deployments = f"{engine.url}/service/repository/deployments"
    return f"""
Flowable {engine.release} is up.

  URL          {engine.url}
  user         {engine.username}
  password     {engine.password}
  its log      {engine.log}

Deploy a process:   curl -u {credentials} -F file=@examples/models/order.bpmn20.xml {deployments}
Look at the jobs:   curl -u {credentials} {engine.url}/external-job-api/jobs
Run the tests:      pytest -m real_engine --engine {engine.url}

Ctrl-C ends it.
"""


if __name__ == "__main__":
    sys.exit(main())
