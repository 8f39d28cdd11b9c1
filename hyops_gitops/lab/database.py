"""The PostgreSQL or MariaDB of a lab: a server and its databases.

It listens on a socket in its data folder and nowhere else. Its isolation, locks and time-outs are the defaults;
only what costs time and protects nothing in a lab, such as flushing to disk, is switched off.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.lab import processes
from hyops_gitops.lab.model import DATABASE_FOLDER, Backend, Lab
from hyops_gitops.lab.processes import StartedProcess, find_executable

DATABASE_USER = "pdns"  # PowerDNS's; the administrator is the program's usual one
LOG_FILE = "log"
_DATA = "data"
_SOCKET = "mariadb.sock"
_START_S = 30.0
_RUN_S = 120.0
_POLL_S = 0.01
_LOG_LINES = 5
_ERROR = re.compile(r"\b(error|fatal|failed|cannot)\b", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)+")
# It runs the database of a lab of root's: PostgreSQL refuses to be root.
_OTHER_USER = "nobody"  # verbatim: a name of the system's
# Its folders are inside those that only root may enter, so this one right is kept.
_RIGHT = "+dac_override"


@dataclass(frozen=True, slots=True)
class _Software:
    """The programs of one database server on Debian and Ubuntu."""

    title: str
    package: str
    programs: tuple[str, ...]  # the server's first
    stop: signal.Signals  # at once: what it holds is thrown away


_SOFTWARE = {
    "gpgsql": _Software("PostgreSQL", "postgresql", ("postgres", "initdb", "psql"), signal.SIGQUIT),
    "gmysql": _Software("MariaDB", "mariadb-server", ("mariadbd", "mariadb-install-db", "mariadb"), signal.SIGKILL),
}


def has_database(backend: Backend) -> bool:
    """Whether this backend needs a database server."""
    return backend in _SOFTWARE


def database_packages(backend: Backend) -> tuple[str, ...]:
    """The Debian package that this backend's database is missing, if any."""
    software = _SOFTWARE.get(backend)
    if software is None or all(find_executable(program) for program in software.programs):
        return ()
    return (software.package,)


def database_settings(backend: Backend, name: str) -> dict[str, str]:
    """PowerDNS's options for the database of this name.

    The socket is given by way of PowerDNS's own folder: the path of a lab may be longer than a socket's may be.
    """
    folder = f"/proc/self/cwd/../{DATABASE_FOLDER}/{_DATA}"
    place = {"host": folder} if backend == "gpgsql" else {"socket": f"{folder}/{_SOCKET}"}
    options = {**place, "dbname": name, "user": DATABASE_USER}
    return {"launch": backend, **{f"{backend}-{option}": value for option, value in options.items()}}


def database_version(backend: Backend) -> str | None:
    """Name and version of the database server, if there is one."""
    software = _SOFTWARE.get(backend)
    program = find_executable(software.programs[0]) if software else None
    if software is None or program is None:
        return None
    done = subprocess.run([program, "--version"], capture_output=True, check=False, text=True, errors="replace")
    number = _NUMBER.search(done.stdout)
    return f"{software.title} {number[0]}" if number else software.title


def sql_shell(lab: Lab, database: str, *, user: str | None = None) -> list[str]:
    """The command that reads SQL and prints bare tab-separated rows.

    Args:
        lab: A running lab on gpgsql or gmysql.
        database: A server's name, such as `primary`.
        user: Whose session it is: the administrator's, or `pdns` for PowerDNS's own.
    """
    inside = ["sh", "-c", 'cd -- "$1" && shift && exec "$@"', "sh", str(_data(lab))]
    if lab.backend == "gpgsql":
        words = [_program("psql"), "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", "/proc/self/cwd", "-p", "5432"]
        return [*inside, *words, "-U", user or "postgres", "-d", database]
    words = [_program("mariadb"), "--no-defaults", "--batch", "--skip-column-names", f"--socket={_SOCKET}"]
    return [*inside, *words, f"--user={user or 'root'}", database]


def make_database(lab: Lab) -> StartedProcess:
    """Make the folder of the lab's database server and start it.

    Raises:
        OutsideFailure: code `lab-database`.
    """
    data = _data(lab)
    data.parent.mkdir(mode=0o700)
    for folder in (data, _temporary(data)):
        folder.mkdir(mode=0o700)
        if _as_other():
            owner = pwd.getpwnam(_OTHER_USER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
    _run(lab, [*_as_other(), *_commands(lab.backend, data)[0]])
    return serve_database(lab)


def serve_database(lab: Lab) -> StartedProcess:
    """Start the server on the files that it has."""
    data = _data(lab)
    program, *arguments = [*_as_other(), *_commands(lab.backend, data)[1]]
    return processes.spawn(program, arguments, data, data.parent / LOG_FILE)


def fill_database(lab: Lab, schema: Path) -> None:
    """Wait for the server, then make a database per PowerDNS.

    Raises:
        OutsideFailure: code `lab-database`: it ends, is not ready in time, or refuses the schema.
    """
    _wait_until_ready(lab)
    text = schema.read_text(encoding="utf-8")
    names = [server.name for server in lab.stores]
    if lab.backend == "gpgsql":
        made = [
            f'CREATE DATABASE "{name}" OWNER {DATABASE_USER};\n\\connect "{name}" {DATABASE_USER}\n{text}\n'
            "\\connect postgres postgres\n"
            for name in names
        ]
        _run(lab, sql_shell(lab, "postgres"), f"CREATE ROLE {DATABASE_USER} LOGIN;\n" + "".join(made))
        return
    made = [
        f"CREATE DATABASE `{name}`; GRANT ALL ON `{name}`.* TO {DATABASE_USER}@localhost; USE `{name}`;\n{text}\n"
        for name in names
    ]
    _run(lab, sql_shell(lab, "mysql"), f"CREATE USER {DATABASE_USER}@localhost;\n" + "".join(made))


def stop_database(lab: Lab) -> None:
    """End the lab's database server, if it has one and it runs."""
    if lab.database and has_database(lab.backend):
        processes.stop([lab.database], first=_SOFTWARE[lab.backend].stop)


def remove_database(lab: Lab) -> None:
    """Remove the files of a database that has ended."""
    for folder in (_data(lab), _temporary(_data(lab))):
        shutil.rmtree(folder, ignore_errors=True)
    (_data(lab).parent / LOG_FILE).unlink(missing_ok=True)


def _data(lab: Lab) -> Path:
    return lab.directory / DATABASE_FOLDER / _DATA


def _temporary(data: Path) -> Path:
    return data.parent / "tmp"


def _commands(backend: Backend, data: Path) -> list[list[str]]:
    """The commands that make the files and start the server."""
    if backend == "gpgsql":
        flags = ["listen_addresses=", "unix_socket_directories=.", "fsync=off", "full_page_writes=off"]
        made = ["--no-sync", "--no-instructions", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
        return [
            [_program("initdb"), *made, "-D", str(data)],
            [_program("postgres"), "-D", str(data), *(word for flag in flags for word in ("-c", flag))],
        ]
    # Asynchronous writing counts against limits that all of a machine's labs share.
    small = ["--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0", "--innodb-use-native-aio=0"]
    # Starting, MariaDB removes every temporary table in its folder for them, were it another lab's too.
    place = ["--no-defaults", f"--datadir={data}", f"--tmpdir=../{_temporary(data).name}"]
    return [
        [_program("mariadb-install-db"), *place, *small, "--auth-root-authentication-method=normal", "--skip-test-db"],
        [_program("mariadbd"), *place, *small, "--skip-networking", f"--socket={_SOCKET}", "--pid-file=mariadb.pid"],
    ]


def _as_other() -> Sequence[str]:
    """The prefix that runs root's database without root's rights."""
    if os.geteuid() != 0:
        return ()
    user = pwd.getpwnam(_OTHER_USER)
    identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ("setpriv", *identity, f"--inh-caps={_RIGHT}", f"--ambient-caps={_RIGHT}")


def _wait_until_ready(lab: Lab) -> None:
    deadline = time.monotonic() + _START_S
    while not _is_ready(lab):
        if lab.database is None or not processes.is_running(lab.database):
            raise _failure(lab, "ended as soon as it was started", "")
        if time.monotonic() > deadline:
            raise _failure(lab, f"is not ready after {_START_S:g} s", "")
        time.sleep(_POLL_S)


def _is_ready(lab: Lab) -> bool:
    """Whether it accepts sessions: PostgreSQL's pid file, MariaDB's socket."""
    if lab.backend == "gmysql":
        return (_data(lab) / _SOCKET).exists()
    try:
        return (_data(lab) / "postmaster.pid").read_text(encoding="utf-8").splitlines()[-1].strip() == "ready"
    except (OSError, IndexError):
        return False


def _run(lab: Lab, command: Sequence[str], text: str = "") -> None:
    try:
        done = subprocess.run(
            command,
            input=text.encode(),
            capture_output=True,
            check=False,
            timeout=_RUN_S,
            cwd="/",
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
        )
    except OSError as error:
        raise _failure(lab, f"cannot be made: {error.strerror}", command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise _failure(lab, f"cannot be made within {_RUN_S:g} s", "") from error
    if done.returncode != 0:
        raise _failure(lab, "cannot be made", (done.stdout + done.stderr).decode(errors="replace"))


def _failure(lab: Lab, problem: str, output: str) -> OutsideFailure:
    """An error with the ends of the output and of the log."""
    log = _data(lab).parent / LOG_FILE
    logged = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = [*_telling(output), *_telling(logged)]
    hint = "\n".join(f"log of the database: {line}" for line in lines)
    message = f"the lab's {_SOFTWARE[lab.backend].title} {problem}"
    return OutsideFailure(f"{message}: {lines[0].strip()}" if lines else message, code="lab-database", hint=hint)


def _telling(text: str) -> list[str]:
    """The last lines, errors first: programs end with advice."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    return (errors or lines)[-_LOG_LINES:]


def _program(name: str) -> str:
    found = find_executable(name)
    if found is None:
        raise OutsideFailure(f"{name} is not installed", code="lab-database")
    return found
