"""Wheel and sdist hold what the program needs, an index takes them, and the wheel makes a repository that applies."""

import json
import os
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from email.parser import BytesParser
from pathlib import Path

import pytest

from hyops_gitops import __version__
from tests.support.repository import ROOT, tracked_files

PACKAGE = ROOT / "hyops_gitops"
ZONE = "first.internal"
CONTRACT = f"""\
endpoint_dns_name: postgres.prod.{ZONE}
endpoint_target: 10.0.0.31
endpoint_target_type: host
endpoint_port: 5432
endpoint_cutover_required: true
"""


def build(target: str, source: Path, directory: Path) -> Path:
    """The wheel or the sdist of a tree, made by the build backend itself."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (made,) = directory.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


def data_files() -> set[str]:
    """Schemas, templates and what auditors get, by their path in the package."""
    schemas = {f"hyops_gitops/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.json")}
    templates = (file for folder in ("templates", "report/templates") for file in (PACKAGE / folder).rglob("*"))
    kit = {f"hyops_gitops/script/{path.name}" for path in (ROOT / "script").glob("audit*")}
    files = {path.relative_to(ROOT).as_posix() for path in templates if path.is_file()}
    return files | schemas | kit | {"hyops_gitops/docs/auditing.md"}


def test_the_wheel_holds_schemas_templates_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert data_files() - names == set()
    assert {name.split("/")[0] for name in names} == {"hyops_gitops", f"hyops_gitops-{__version__}.dist-info"}


def test_the_sdist_is_the_repository(sdist: Path) -> None:
    files = tracked_files()
    if not files:
        pytest.skip("not a Git checkout")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {path.relative_to(ROOT).as_posix() for path in files} - names == set()


def test_the_sdist_makes_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert build("wheel", source, tmp_path / "made").read_bytes() == wheel.read_bytes()


def test_an_index_takes_both(sdist: Path, wheel: Path) -> None:
    checked = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", str(sdist), str(wheel)]
    done = subprocess.run(checked, check=False, capture_output=True, text=True)
    assert done.stdout.count(": PASSED") == 2, done.stdout + done.stderr


def test_the_page_on_an_index_links_to_nothing_that_is_not_there(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        page = BytesParser().parsebytes(archive.read(f"hyops_gitops-{__version__}.dist-info/METADATA"))
    description = str(page.get_payload())
    assert page["Description-Content-Type"] == "text/markdown"
    assert [link for link in re.findall(r"\]\(([^)]*)\)", description) if not link.startswith("https://")] == []
    assert "`docs/adopting.md`" in description


@pytest.mark.authority
def test_from_an_empty_directory_to_the_first_apply_in_a_minute(
    wheel: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    program = install(wheel, tmp_path / "pipx")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environ = clean_environ(tmp_path)

    def call(*words: str) -> str:
        done = subprocess.run(words, cwd=elsewhere, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    started = time.monotonic()
    here = ("--repo", "dns")
    key = tmp_path / "applier-key"
    call(
        program, "init", "dns", "--zone", ZONE, "--primary-url", "https://dns.first.internal:8443",
        "--primary-dns", "10.0.0.53:53", "--primary-site", "hetzner", "--secondary", "onprem=10.1.0.53:53",
        "--generate-key", str(key), "--evidence",
    )  # fmt: skip
    call(program, "lab", "up", *here, "--dir", "dns/.lab")
    try:
        for line in (elsewhere / "dns" / ".lab" / "env").read_text().splitlines():
            name, _, value = line.partition("=")
            environ[name] = value
        environ["HYOPS_SIGNING_KEY_FILE"] = str(key)
        contract = elsewhere / "dns" / "endpoints" / "prod" / "postgres.yaml"
        contract.parent.mkdir()
        contract.write_text(CONTRACT)
        call("git", "-C", "dns", "add", "-A")
        call("git", "-C", "dns", "commit", "-qm", "postgres.prod")
        call(program, "validate", *here)
        receipt = json.loads(
            call(program, "apply", *here, "--authority", "dns/.lab/authority.yaml", "--format", "json")
        )
        took = time.monotonic() - started
        assert receipt["outcome"] == "applied"
        assert [server["verdict"] for server in receipt["servers"]] == ["converged"] * 2
        assert json.loads(call(program, "audit", *here, "--offline", "--format", "json"))["ok"] is True
    finally:
        call(program, "lab", "down", "--dir", "dns/.lab")
    record_property("said", f"init, lab up, commit, validate and apply took {took:.1f} s")
    assert took < 60  # the promise is made in the documentation


def install(wheel: Path, home: Path) -> str:
    """The program, installed by pipx from the wheel into an environment that holds nothing else."""
    places = {"PIPX_HOME": home / "home", "PIPX_BIN_DIR": home / "bin", "PIPX_MAN_DIR": home / "man"}
    done = subprocess.run(
        [sys.executable, "-m", "pipx", "install", "--quiet", "--python", sys.executable, str(wheel)],
        env={**os.environ, **{name: str(place) for name, place in places.items()}},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0 and "CI" not in os.environ:
        pytest.skip(f"pipx could not install what the wheel needs: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    return str(home / "bin" / "hyops-gitops")


def clean_environ(home: Path) -> dict[str, str]:
    """What a new user's shell has."""
    (home / ".gitconfig").write_text("[user]\n\tname = New User\n\temail = new@example.invalid\n")
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
