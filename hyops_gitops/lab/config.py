"""Configuration of one PowerDNS of a lab, and its gsqlite3 database.

Option names are those that 4.5 introduced; the older ones are gone from 4.9 on. Paths are relative to the server's
folder, in which it runs.
"""

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from hyops_gitops.adapters.files import replace_file
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.lab.database import database_packages, database_settings, has_database
from hyops_gitops.lab.model import Backend, Lab, LabServer
from hyops_gitops.lab.processes import find_executable

PROGRAM = "pdns_server"
LOG_FILE = "log"
_USR = Path("/usr")
# Each backend's Debian package and, where its tables must be made, the word in their file's name.
_PACKAGES: Mapping[Backend, tuple[str, str | None]] = {
    "gsqlite3": ("pdns-backend-sqlite3", "sqlite3"),
    "lmdb": ("pdns-backend-lmdb", None),
    "gpgsql": ("pdns-backend-pgsql", "pgsql"),
    "gmysql": ("pdns-backend-mysql", "mysql"),
}
_DATABASE = "pdns.sqlite3"
_LMDB = "pdns.lmdb"
# Everything a server's folder may hold that we or the server made.
MADE = ("pdns.conf", LOG_FILE, f"{_DATABASE}*", f"{_LMDB}*", "pdns.controlsocket", "pdns.pid")


def find_program(backend: Backend) -> str:
    """The path of `pdns_server`.

    Raises:
        OutsideFailure: code `lab-no-powerdns`: the program or the backend is not installed; code `lab-platform`:
            this is not Linux.
    """
    if not Path("/proc/self/stat").exists():
        raise OutsideFailure("the lab runs on Linux only: it tells its processes apart by /proc", code="lab-platform")
    program = find_executable(PROGRAM)
    if program is None:
        raise _missing(f"{PROGRAM} is not installed", backend)
    if backend != "lmdb":
        find_schema(backend)
    if database_packages(backend):
        raise _missing(f"the database server of the {backend} backend is not installed", backend)
    return program


def _prefix() -> Path:
    """The prefix of `pdns_server`, whose backends and tables match its version."""
    program = find_executable(PROGRAM)
    return Path(program).parent.parent if program else _USR


def missing_backend(log: str, backend: Backend) -> OutsideFailure | None:
    """The error in a server's log of a missing backend library."""
    if f"lib{backend}backend.so" in log and "Unable to load module" in log:
        return _missing(f"PowerDNS's {backend} backend is not installed", backend)
    return None


def _missing(message: str, backend: Backend) -> OutsideFailure:
    packages = " ".join(("pdns-server", _PACKAGES[backend][0], *database_packages(backend)))
    return OutsideFailure(message, code="lab-no-powerdns", hint=f"on Debian and Ubuntu: apt-get install {packages}")


def prepare(lab: Lab, server: LabServer, identity: str, settings: Mapping[str, str]) -> None:
    """Make a server's folder, configuration and empty database.

    Args:
        lab: The lab, its addresses chosen.
        server: Which of its servers.
        identity: What it answers to `id.server` in class CHAOS.
        settings: PowerDNS options that replace ours.

    Raises:
        OutsideFailure: codes `lab-directory`, `cannot-write`, `lab-no-powerdns`.
    """
    try:
        _write(lab, server, identity, settings)
    except (OSError, sqlite3.Error) as error:
        raise OutsideFailure(f"cannot write what {server.name} needs: {error}", code="lab-directory") from error


def _write(lab: Lab, server: LabServer, identity: str, settings: Mapping[str, str]) -> None:
    folder = lab.folder(server)
    folder.mkdir(mode=0o700)
    options = {
        **_common(lab, server),
        **_role(lab, server),
        **_storage(lab.backend, lab.primary.name if lab.native else server.name),
        "server-id": identity,
        **settings,
    }
    text = "".join(f"{name}={value}\n" for name, value in options.items())
    replace_file(folder / "pdns.conf", text.encode(), private=True)
    if lab.backend == "gsqlite3" and server in lab.stores:
        with contextlib.closing(sqlite3.connect(folder / _DATABASE)) as database:
            database.executescript(find_schema(lab.backend).read_text(encoding="utf-8"))


def _common(lab: Lab, server: LabServer) -> dict[str, str]:
    return {
        "local-address": server.dns.host,
        "local-port": str(server.dns.port),
        # Transfers and NOTIFY come from the address that the other side allows.
        "query-local-address": server.dns.host,
        "socket-dir": ".",
        "daemon": "no",
        "guardian": "no",
        "write-pid": "no",
        "disable-syslog": "yes",
        "security-poll-suffix": "",  # asks the Internet otherwise
        "api": "yes",
        "api-key": lab.api_key,
        "webserver": "yes",
        "webserver-address": server.api.host,
        "webserver-port": str(server.api.port),
        "webserver-allow-from": "127.0.0.0/8",
        "webserver-max-bodysize": str(lab.max_body_mib),
    }


def _role(lab: Lab, server: LabServer) -> dict[str, str]:
    if server.role == "primary":
        return {
            "primary": "yes",
            "default-soa-content": "ns1.@ hostmaster.@ 0 10800 3600 604800 300",
            "only-notify": "",  # none but also-notify; NS names would be looked up outside otherwise
            "also-notify": ",".join(str(secondary.dns) for secondary in lab.secondaries),
            "allow-axfr-ips": ",".join(f"{secondary.dns.host}/32" for secondary in lab.secondaries),
        }
    if lab.native:
        return {"disable-axfr": "yes"}
    return {
        "secondary": "yes",
        "allow-notify-from": f"{lab.primary.dns.host}/32",
        "disable-axfr": "yes",
    }


def _storage(backend: Backend, name: str) -> dict[str, str]:
    return {**module_settings(), **_backend_options(backend, name)}


def module_settings() -> dict[str, str]:
    """The backends' folder, unless PowerDNS finds it by itself."""
    prefix = _prefix()
    found = None if prefix == _USR else next(iter(sorted(prefix.glob("lib/*/pdns"))), None)
    return {"module-dir": str(found)} if found else {}


def _backend_options(backend: Backend, name: str) -> dict[str, str]:
    if has_database(backend):
        return database_settings(backend, name)
    if backend == "gsqlite3":
        file = f"../{name}/{_DATABASE}"
        return {"launch": "gsqlite3", "gsqlite3-database": file, "gsqlite3-pragma-foreign-keys": "yes"}
    return {"launch": "lmdb", "lmdb-filename": _LMDB, "lmdb-shards": "1"}


def find_schema(backend: Backend) -> Path:
    """The file of SQL that makes this backend's tables.

    Raises:
        OutsideFailure: code `lab-no-powerdns`: it is not installed.
    """
    package, word = _PACKAGES[backend]
    file = f"schema.{word}.sql"
    places = (f"share/{package}/schema/{file}", f"share/doc/{package}/{file}", f"share/doc/pdns/{file}")
    found = next(
        (path for prefix in (_prefix(), _USR) for path in map(prefix.joinpath, places) if path.is_file()), None
    )
    if found is None:
        raise _missing(f"PowerDNS's schema for the {backend} backend is not installed", backend)
    return found
