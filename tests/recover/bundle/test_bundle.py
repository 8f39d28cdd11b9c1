"""What is in a bundle, who may sign it, and what is said when it is not as it was signed."""

import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.recover.bundle import BundleInfo, parse_sums, sums_text
from tests.recover.bundle.conftest import ZONE, install, made, sign
from tests.support.bundles import unpack
from tests.support.clone import PRINCIPAL, run
from tests.support.passwd import NO_USER, without_passwd_entry
from tests.support.programs import only_listed
from tests.support.world import World

Harm = Callable[[Path], object]


def test_the_same_commit_gives_the_same_bytes(offline: World, content: bytes, tmp_path: Path) -> None:
    other = offline.clone(tmp_path / "other")

    assert made(other).content == content


def test_it_says_nothing_of_when_and_by_whom_it_was_made(content: bytes, offline: World) -> None:
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        members = archive.getmembers()

    assert {(one.uid, one.gid, one.uname, one.gname) for one in members} == {(0, 0, "", "")}
    newest = max(int(offline.git("log", "-1", "--format=%ct")), int(offline.entries()[-1].envelope.time.timestamp()))
    assert {one.mtime for one in members} == {newest}
    assert [one.name for one in members if one.isfile() and one.mode == 0o755] == [
        f"{members[0].name}/{name}" for name in ("install", "script/audit.sh")
    ]


def test_it_holds_the_commit_and_the_log_as_git_has_them(folder: Path, offline: World) -> None:
    for path in offline.git("ls-files", "authority", "endpoints").split():
        assert (folder / path).read_bytes() == run("git", "-C", offline.root, "show", f"HEAD:{path}")
    log = run("git", "-C", str(offline.remote), "ls-tree", "-r", "--name-only", "evidence").decode().split()
    there = [path.relative_to(folder / "evidence") for path in (folder / "evidence").rglob("*") if path.is_file()]
    assert sorted(log) == sorted(path.as_posix() for path in there)
    assert all((folder / "evidence" / path).read_bytes() == offline.evidence(path) for path in log)


def test_what_it_says_of_itself_comes_back(folder: Path, offline: World) -> None:
    info = BundleInfo.from_bytes((folder / "bundle.json").read_bytes())
    head = offline.entries()[-1]

    assert BundleInfo.from_bytes(info.to_bytes()) == info
    assert (info.zone, info.commit, info.recorded) == (ZONE, offline.git("rev-parse", "HEAD"), None)
    assert (info.log.commit, info.log.seq, info.log.sha256) == (offline.evidence_head(), 1, head.sha256)
    assert [one.subject for one in info.commits] == ["Pin the log"]


def test_stock_tools_say_that_it_is_whole(folder: Path, offline: World, tmp_path: Path) -> None:
    pinned = tmp_path / "pinned"
    pinned.write_text(offline.read("authority/allowed_signers"))
    run("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=folder)
    verify = ("ssh-keygen", "-Y", "verify", "-f", pinned, "-I", PRINCIPAL, "-n", "hyops-gitops-bundle")
    run(*verify, "-s", folder / "SHA256SUMS.sig", stdin=(folder / "SHA256SUMS").read_bytes())
    genesis = json.loads((folder / "bundle.json").read_text())["log"]["genesis"]
    said = run(folder / "script/audit.sh", folder / "evidence", pinned, "--genesis", genesis).decode()

    assert said.endswith("OK\n")


def test_a_key_that_may_only_write_the_log_may_not_sign_a_bundle(tmp_path: Path) -> None:
    """And the other way round: the log does not count the key of a release."""
    world, release = World.make(tmp_path / "w", ZONE, init=False), tmp_path / "release"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", release)
    world.write("authority/allowed_signers", f'{PRINCIPAL} namespaces="hyops-gitops" {world.public_key}\n')
    world.commit()
    world.start_log()
    with pytest.raises(Refused) as caught:
        made(world)
    public = " ".join(release.with_suffix(".pub").read_text().split()[:2])
    line = caught.value.hint.partition("pull request: ")[2].replace("PRINCIPAL", "release@tests").replace("KEY", public)
    world.write("authority/allowed_signers", world.read("authority/allowed_signers") + f"{line}\n")
    world.commit()
    environ = {"HYOPS_SIGNING_KEY_FILE": str(release)}
    world.environ.update(environ)

    assert caught.value.guard == "signing-key"
    assert world.cli("validate", "--changed-since", "HEAD~1").exit == 0
    assert made(world).principal == "release@tests"
    assert (
        world.cli("evidence", "acknowledge", "1", "--reason", "x", "--format", "json").document()["code"]
        == "signing-key"
    )


# --- not as it was signed


def edit(path: str) -> Harm:
    return lambda folder: (folder / path).write_bytes((folder / path).read_bytes() + b"# more\n")


def add(path: str) -> Harm:
    return lambda folder: (folder / path).write_text("more\n")


HARMS: list[tuple[str, Harm, str]] = [
    ("contract", edit("endpoints/prod/first.yaml"), "endpoints/prod/first.yaml"),
    ("signers", edit("authority/allowed_signers"), "authority/allowed_signers"),
    ("entry", edit(f"evidence/log/{ZONE}/0000/000001.json"), "000001.json"),
    ("what it says", edit("bundle.json"), "bundle.json"),
    ("script", edit("script/audit.sh"), "script/audit.sh"),
    ("contract taken out", lambda folder: (folder / "endpoints/prod/first.yaml").unlink(), "endpoints/prod/first.yaml"),
    ("contract added", add("endpoints/prod/second.yaml"), "endpoints/prod/second.yaml"),
    ("entry added", add(f"evidence/log/{ZONE}/0000/000002.json"), "000002.json"),
    ("no signature", lambda folder: (folder / "SHA256SUMS.sig").unlink(), "SHA256SUMS"),
]


@pytest.mark.parametrize(("harm", "named"), [one[1:] for one in HARMS], ids=[one[0] for one in HARMS])
def test_a_bundle_that_was_changed(harm: Harm, named: str, folder: Path) -> None:
    harm(folder)
    status, said = install(folder)
    with pytest.raises(InvalidData) as caught:
        LocalWorkspace(folder).history.tree("HEAD")

    assert (status, "--unverified 'REASON'" in said, named in said) == (1, True, True), said
    assert not (folder / "venv").exists()
    assert caught.value.code in ("bundle-invalid", "bundle-changed")
    assert named in caught.value.message


@pytest.mark.parametrize(
    ("harm", "named"),
    [(edit("wheels/some-1.0-py3-none-any.whl"), "some-1.0"), (add("wheels/some-2.0.whl"), "some-2.0")],
)
def test_a_wheel_that_nobody_signed_is_not_installed(harm: Harm, named: str, folder: Path) -> None:
    harm(folder)
    status, said = install(folder)

    assert (status, named in said) == (1, True), said


def test_a_check_that_cannot_run_is_no_verdict_on_the_bundle(folder: Path) -> None:
    command = [*without_passwd_entry(), str(folder / "install"), "--python", "sh"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"the signature cannot be checked: cannot run ssh-keygen: {NO_USER}" in done.stderr
    assert "is not signed" not in done.stderr


@pytest.mark.parametrize("tool", ["sha256sum", "cut", "sort", "find", "comm"])
def test_a_program_that_ends_at_once_installs_nothing(tool: str, folder: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / tool).write_text("#!/bin/sh\nkill -SEGV $$\n")
    (programs / tool).chmod(0o755)
    (edit("endpoints/prod/first.yaml") if tool == "sha256sum" else add("endpoints/prod/second.yaml"))(folder)
    status, said = install(folder, path=f"{programs}:{os.environ['PATH']}")
    assert status != 0
    assert not (folder / "venv").exists()
    assert "installing into" not in said


def test_the_programs_that_are_listed_are_enough_to_install(folder: Path, offline: World, tmp_path: Path) -> None:
    (tmp_path / "pinned").write_text(offline.read("authority/allowed_signers"))
    status, said = install(folder, "--signers", tmp_path / "pinned", path=only_listed(tmp_path / "bin"))

    assert "signed by applier@tests" in said
    assert "not found" not in said
    assert (status, "the wheels could not be installed" in said) == (1, True)  # for want of wheels in this bundle


def test_one_made_anew_by_somebody_else_is_found_by_signers_kept_outside(
    folder: Path, offline: World, tmp_path: Path
) -> None:
    """Whoever can change everything in it can make it agree with itself."""
    pinned, key = tmp_path / "pinned", tmp_path / "mallory"
    pinned.write_text(offline.read("authority/allowed_signers"))
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    edit("endpoints/prod/first.yaml")(folder)
    (folder / "authority/allowed_signers").write_text(f"{PRINCIPAL} {public}\n")
    sign(folder, key)
    with_own = install(folder, "--python", "sh")  # gets as far as looking for a Python
    with_pinned = install(folder, "--python", "sh", "--signers", pinned)

    assert "pin a copy with --signers FILE" in with_own[1]
    assert f"signed by {PRINCIPAL}" in with_own[1]
    assert with_pinned[0] == 1
    assert f"not signed by a key that may sign bundles (namespace hyops-gitops-bundle) in {pinned}" in with_pinned[1]


def test_an_override_says_what_it_overrides(folder: Path) -> None:
    (folder / "SHA256SUMS.sig").unlink()
    _, said = install(folder, "--unverified", "the forge burns", "--python", "sh")

    assert "installing unverified (the forge burns): SHA256SUMS or its signature is missing" in said
    assert "sh is not a Python that this bundle has wheels for" in said


def test_only_validate_and_plan_look_at_an_edited_contract(folder: Path, offline: World) -> None:
    contract = folder / "endpoints/prod/first.yaml"
    contract.write_text(contract.read_text().replace("10.0.0.1", "10.0.0.9"))
    planned = offline.cli("plan", "--format", "json", cwd=folder)

    assert offline.cli("validate", cwd=folder).exit == 0
    assert (planned.exit, planned.document()["dirty"]) == (0, True)
    for command in (["audit", "--offline"], ["plan", "--commit", "HEAD"]):
        ran = offline.cli(*command, "--format", "json", cwd=folder)
        assert (ran.exit, ran.document()["code"]) == (1, "bundle-changed")


@pytest.mark.parametrize("line", ["0 x", f"{'0' * 64}  ../x", f"{'0' * 64}  /x", f"{'0' * 64} *x"])
def test_sums_that_sha256sum_would_not_write(line: str) -> None:
    with pytest.raises(InvalidData) as caught:
        parse_sums(f"{line}\n".encode())

    assert caught.value.code == "bundle-invalid"


def test_sums_come_back() -> None:
    assert set(parse_sums(sums_text({"a b": b"1", "c\u2028d": b"2"}))) == {"a b", "c\u2028d"}


def test_another_repository_is_searched_by_what_a_bundle_knows(folder: Path, offline: World, tmp_path: Path) -> None:
    application = tmp_path / "application"
    application.mkdir()
    (application / "a.py").write_text("HOST = '10.0.0.1'\n")

    ran = offline.cli("scan", "--contracts", folder, ".", cwd=application)

    assert (ran.exit, ran.out.splitlines()[0]) == (
        1,
        f"a.py:1:9: raw-target: 10.0.0.1 is a target of first.prod.{offline.zone}",
    )


def test_nothing_is_written_from_a_bundle(content: bytes, offline: World, tmp_path: Path) -> None:
    folder = unpack(content, tmp_path / "unpacked")
    before = offline.evidence_head()
    for command in (["apply"], ["evidence", "acknowledge", "1", "--reason", "x"], ["evidence", "import", "."]):
        ran = offline.cli(*command, "--format", "json", cwd=folder)
        assert (ran.exit, ran.document()["code"]) == (2, "no-repository"), command

    assert offline.evidence_head() == before
