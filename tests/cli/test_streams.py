"""Where stdout and stderr lead is the caller's: full, closed, left alone or in another encoding. Never a traceback."""

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from hyops_gitops.cli.main import cli, execute
from hyops_gitops.cli.output import echo, echo_json, is_terminal, note
from hyops_gitops.core.errors import Exit
from tests.support.commands import programs
from tests.support.repository import ROOT
from tests.support.world import World


@contextmanager
def broken(stream: TextIO) -> Iterator[TextIO]:
    """What the stream still holds cannot be written when it is closed, either."""
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):
            stream.close()


def left_alone() -> AbstractContextManager[TextIO]:
    """A stream whose reader went away."""
    reader, writer = os.pipe()
    os.close(reader)
    return broken(os.fdopen(writer, "w", buffering=1))


def full() -> AbstractContextManager[TextIO]:
    return broken(Path("/dev/full").open("w", buffering=1, encoding="utf-8"))


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_result_that_cannot_be_written_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    with full() as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert execute(["explain", "--format", form]) == Exit.UNCONFIRMED
    assert "cannot write the result: No space left on device" in capsys.readouterr().err


def test_an_error_document_that_cannot_be_written_keeps_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with full() as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert execute(["explain", "nothing", "--format", "json"]) == Exit.USAGE
    assert "cannot write the result" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "code"), [(["explain"], Exit.OK), (["explain", "nothing"], Exit.USAGE)])
def test_a_reader_that_went_away_leaves_the_exit_code_as_it_is(
    monkeypatch: pytest.MonkeyPatch, command: list[str], code: Exit
) -> None:
    with left_alone() as stdout, left_alone() as stderr:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", stderr)
        assert execute([*command, "--format", "json"]) == code


def test_progress_that_nobody_can_read_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (full, left_alone):
        with kind() as stderr:
            monkeypatch.setattr(sys, "stderr", stderr)
            note("- sending one PATCH")


def test_streams_that_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, stream, None)
    assert not is_terminal(sys.stdin)
    assert execute(["validate", "--repo", str(ROOT)]) == Exit.OK
    assert execute(["init", "/nowhere", "--authority", "/nowhere.yaml"]) == Exit.USAGE


def test_json_is_utf_8_whatever_the_locale_says(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert execute(["explain", "für", "--format", "json"]) == Exit.USAGE
    assert json.loads(raw.getvalue())["message"] == "unknown rule or guard 'für'"


def test_text_that_the_locale_has_no_sign_for_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    echo("für → \udcff")
    assert raw.getvalue() == b"f\xfcr \\u2192 \\udcff\n"


# --- places that are none


def test_a_directory_that_no_file_system_can_have(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["validate", "--repo", "a" * 300, "--format", "json"]) == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["code"] == "no-repository"


def test_a_current_directory_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert execute(["validate", "--format", "json"]) == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["code"] == "no-repository"


@pytest.mark.parametrize("command", ["validate --format json", "plan --no-such", "keys list 2>&1 >/dev/null | cat -A"])
def test_what_the_tests_fork_for_a_shell_is_what_it_would_start(command: str, offline: World) -> None:
    def run(program: str) -> tuple[int, bytes, bytes]:
        shell = ["bash", "-c", f"set -o pipefail; cd endpoints && {program} {command}"]
        environ = {**offline.environ, "PATH": f"{programs()}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(shell, cwd=offline.root, env=environ, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    assert run("hyops-gitops") == run(f"{sys.executable} -m hyops_gitops")


HOSTILE = "::error::x\n  ::stop-commands::y\na ##[add-mask]z\n::1 is an address, a::error::b a text\n"


def test_no_text_is_taken_for_a_command_by_the_runner_of_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    echo(HOSTILE.rstrip())
    note(HOSTILE.rstrip())
    echo_json({"text": HOSTILE})

    out, err = capsys.readouterr()
    shown = r"""\x3a:error::x
  \x3a:stop-commands::y
a ##\x5badd-mask]z
::1 is an address, a::error::b a text
"""
    text, _, document = out.partition("{")
    assert (text, err) == (shown, shown)
    assert "##[" not in document
    assert json.loads("{" + document) == {"text": HOSTILE}


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        ImportError("x.so: failed to map segment from shared object"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_missing_memory_is_no_bug(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("what a library makes of it") from error

    monkeypatch.setattr(cli, "main", fail)
    assert execute(["explain"]) == Exit.BUG
    assert "error: not enough memory\nhint: give it more, and run it again;" in capsys.readouterr().err
