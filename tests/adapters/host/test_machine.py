"""What a program's end means: a verdict, or that it could not run; programs and users of every kind are real."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

from hyops_gitops.adapters.host import machine
from hyops_gitops.adapters.host.machine import Program, SystemClock, program_version, python_version
from hyops_gitops.core.errors import OutsideFailure
from tests.support.clone import run
from tests.support.passwd import NO_USER, UID, without_passwd_entry
from tests.support.world import World

ENDINGS = {
    "a signal": ("kill -SEGV $$", "it was ended by signal 11"),
    "a library that is missing": ("echo 'x: error while loading libz' >&2; exit 127", "x: error while loading libz"),
    "not to be run": ("exit 126", "exit status 126"),
    "no user": (f"echo '{NO_USER}' >&2; exit 255", NO_USER),
    "too slow": ("exec sleep 60", "it took longer than 1 s and was ended"),
}


def program(folder: Path, name: str, script: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_that_ends_otherwise_than_by_its_verdict_could_not_run(ending: str, tmp_path: Path) -> None:
    script, why = ENDINGS[ending]
    named = str(program(tmp_path, "tool", script))
    with pytest.raises(OutsideFailure) as caught:
        Program(named, code="tool", timeout_s=1).run()
    assert caught.value.message == f"cannot run {named}: {why}"
    assert ("/etc/passwd" in caught.value.hint) == (ending == "no user")


@pytest.mark.parametrize("status", [0, 1, 2, 123, 255])
def test_every_other_status_is_the_programs_own(status: int, tmp_path: Path) -> None:
    named = str(program(tmp_path, "tool", f"exit {status}"))
    assert Program(named, code="tool").run().returncode == status


def test_what_is_not_there_or_may_not_be_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutsideFailure, match="cannot run nonesuch: it is not installed") as caught:
        Program("nonesuch", code="tool", hint="install it").run()
    assert caught.value.hint == "install it"
    (tmp_path / "tool").write_text("")
    with pytest.raises(OutsideFailure, match="Permission denied"):
        Program(str(tmp_path / "tool"), code="tool").run()
    with pytest.raises(OutsideFailure, match="No such file or directory"):
        Program("true", code="tool").run(cwd=tmp_path / "gone")


# --- versions, as doctor asks for them


VERSIONS = {
    "git": [
        ("echo git version 2.33.9", "git version 2.33.9 is too old"),
        ("echo hello", "cannot run git: no version in its output: hello"),
        ("echo git version 2.39.5; exit 1", "no version in its output"),
        ("kill -SEGV $$", "cannot run git: it was ended by signal 11"),
    ],
    "ssh": [
        ("echo OpenSSH_8.1p1 >&2", "OpenSSH_8.1p1 is too old"),
        (f"echo {NO_USER} >&2; exit 255", f"cannot run ssh: {NO_USER}"),
        ("echo usage >&2", "no version in its output"),
    ],
    "ssh-keygen": [
        (f"echo {NO_USER} >&2; exit 255", f"cannot run ssh-keygen: {NO_USER}"),
        ("echo 256 SHA256:none", "cannot run ssh-keygen: 256 SHA256:none"),
        ("exit 0", "it does not know a key's fingerprint"),
    ],
}


@pytest.mark.parametrize(("name", "script", "why"), [(name, *case) for name in VERSIONS for case in VERSIONS[name]])
def test_a_program_that_does_not_do_is_no_ok(
    name: str, script: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, name, script)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(OutsideFailure) as caught:
        program_version("git" if name == "git" else "ssh-keygen")
    assert why in caught.value.message


def test_those_that_are_here_do() -> None:
    assert program_version("git").startswith("git version ")
    assert program_version("ssh-keygen").startswith("OpenSSH_")


@pytest.mark.parametrize("running", [(3, 10), (3, 15)])
def test_a_python_that_was_never_tried_is_no_ok(running: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", running)
    with pytest.raises(OutsideFailure) as caught:
        python_version()
    assert caught.value.code == "python"


# --- a user without a passwd entry


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A clone with a log whose first entry an ECDSA key signed; nobody serves its zone."""
    world = World.make(tmp_path_factory.mktemp("nobody") / "w", "nobody.internal", init=False)
    run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-C", "", "-f", world.key.with_name("ecdsa"))
    world.key = world.key.with_name("ecdsa")
    world.environ["HYOPS_SIGNING_KEY_FILE"] = str(world.key)
    world.write("authority/allowed_signers", f"applier@tests {world.public_key}\n")
    world.commit("An ECDSA key")
    world.start_log()
    return world


def as_nobody(world: World, *arguments: str, passwd: Path | None = None, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [*without_passwd_entry(passwd), sys.executable, "-m", "hyops_gitops", *arguments],
        cwd=world.root,
        env={**world.environ, "PYTHONPATH": str(Path(machine.__file__).parents[3]), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_user_without_a_passwd_entry_verifies_every_signature(offline: World) -> None:
    status, said = as_nobody(offline, "evidence", "verify")
    assert status == 0, said
    assert "1 entry" in said


def test_a_good_key_is_not_blamed_for_a_user_without_a_passwd_entry(offline: World) -> None:
    before = offline.evidence_head()
    status, said = as_nobody(offline, "evidence", "acknowledge", "1", "--reason", "a test")
    assert status == 4
    assert f"cannot run ssh-keygen: {NO_USER}" in said
    assert "NAME:x:UID:GID" in said
    assert "not a private key" not in said
    assert offline.evidence_head() == before


def test_doctor_does_not_call_such_a_user_ok(offline: World) -> None:
    _, said = as_nobody(offline, "doctor")
    lines = {line.split()[1]: line for line in said.splitlines() if line[:1] in "ofu" and len(line.split()) > 1}
    assert lines["ssh-keygen"].startswith("fail")
    assert lines["signing-key"].startswith("fail")
    assert NO_USER in lines["ssh-keygen"]
    assert f"cannot run ssh-keygen: {NO_USER}" in lines["signing-key"]
    assert lines["log"].startswith("ok")


def test_such_a_user_begins_a_repository_in_the_name_that_the_environment_gives(offline: World, tmp_path: Path) -> None:
    words = (
        "--zone",
        "begin.internal",
        "--primary-url",
        "https://dns.begin.internal:8443",
        "--primary-site",
        "hetzner",
    )
    named = {"NAME": "Ann Example", "EMAIL": "ann@example.invalid"}
    roles = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in named.items()}
    status, said = as_nobody(offline, "init", str(tmp_path / "first"), *words, "--commit")
    assert (status, "git does not know who commits" in said, "GIT_AUTHOR_NAME" in said) == (2, True, True), said
    status, said = as_nobody(offline, "init", str(tmp_path / "new"), *words, "--commit", passwd=None, **roles)
    assert status == 0, said
    shown = run("git", "-C", tmp_path / "new", "log", "-1", "--format=%an|%ae|%cn|%ce").decode().strip()
    assert shown == "|".join([*named.values(), *named.values()])


def test_a_line_in_etc_passwd_mends_it(offline: World, tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text(Path("/etc/passwd").read_text() + f"applier:x:{UID}:{UID}::/tmp:/bin/sh\n")
    _, said = as_nobody(offline, "doctor", passwd=passwd)
    states = {line.split()[1]: line.split()[0] for line in said.splitlines() if len(line.split()) > 1}
    assert (states["ssh-keygen"], states["signing-key"], states["log"]) == ("ok", "ok", "ok"), said


def test_a_remote_by_ssh_says_what_such_a_user_lacks(offline: World, tmp_path: Path) -> None:
    clone = offline.clone(tmp_path / "clone")
    clone.git("remote", "set-url", "origin", "ssh://git@127.0.0.1/dns.git")
    _, said = as_nobody(clone, "doctor")
    (remote,) = [line for line in said.splitlines() if line.split()[1:2] == ["remote"]]
    assert remote.startswith("fail")
    assert NO_USER in remote
    assert "NAME:x:UID:GID" in said


def test_what_gives_a_user_its_entry_reaches_ssh_keygen(
    offline: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "ssh-keygen", 'echo "$NSS_WRAPPER_PASSWD $LD_LIBRARY_PATH" >&2; exit 1')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    status, said = as_nobody(
        offline,
        *("evidence", "acknowledge", "1", "--reason", "a test"),
        PATH=f"{tmp_path}:{offline.environ['PATH']}",
        NSS_WRAPPER_PASSWD="/run/passwd",
        LD_LIBRARY_PATH="/opt/lib",
    )
    assert (status, "/run/passwd /opt/lib" in said) == (3, True), said


class Tomorrow(datetime):
    """A wall clock that was set."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(days=1)


def test_a_wall_clock_that_is_set_meanwhile_moves_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    right = SystemClock().now()
    monkeypatch.setattr(machine, "datetime", Tomorrow)
    monkeypatch.setattr("time.time", (right + timedelta(days=1)).timestamp)
    assert right.tzinfo is UTC
    assert right <= SystemClock().now() < right + timedelta(hours=12)
