"""What was verified is remembered, and never believed where anything else changed."""

import json
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hyops_gitops.adapters.git.snapshot import GitSnapshot
from hyops_gitops.adapters.ssh.signing import SshVerifier
from hyops_gitops.apply.preview import PlanRequest, make_proposal
from hyops_gitops.core.errors import Refused
from hyops_gitops.log.envelope import decode_about, entry_path
from hyops_gitops.log.log import state_path, zone_path
from tests.support.site import Site

pytestmark = pytest.mark.authority


@dataclass
class Counting:
    """A `Verifier` that counts what it is asked."""

    messages: list[bytes] = field(default_factory=list)

    def verify(self, message: bytes, signature: bytes, key: str, namespace: str) -> bool:
        self.messages.append(message)
        return SshVerifier().verify(message, signature, key, namespace)


def signatures_checked(site: Site) -> int:
    """By a plan from the newest log."""
    site.world.git("fetch", "-q", "origin", "evidence")
    counting = Counting()
    make_proposal(PlanRequest(None, live=False), site.world.wiring().replaced(verifier=counting))
    return len(counting.messages)


def mark_of(site: Site) -> Path:
    return site.world.root / ".git/hyops-gitops/verified.json"


def everything(site: Site) -> int:
    """Signatures there are: each entry's, LOG.md's and one folder page's."""
    return len(site.verified().entries) + 2


def test_only_what_is_new_is_checked(site: Site) -> None:
    mark_of(site).unlink()
    assert signatures_checked(site) == everything(site)
    assert signatures_checked(site) == 0
    site.change()
    site.apply()
    mark = json.loads(mark_of(site).read_bytes())
    assert mark["commit"] != site.world.evidence_head()  # an apply verifies what it starts from
    assert signatures_checked(site) == 2 + 2  # intent, result and the two pages
    assert json.loads(mark_of(site).read_bytes())["commit"] == site.world.evidence_head()
    assert signatures_checked(site) == 0


def test_entries_verified_before_are_not_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.change()
    site.apply()
    signatures_checked(site)
    read: set[str] = set()
    content = GitSnapshot.read

    def remembered(snapshot: GitSnapshot, paths: Collection[str]) -> Mapping[str, bytes]:
        read.update(paths)
        return content(snapshot, paths)

    monkeypatch.setattr(GitSnapshot, "read", remembered)
    assert signatures_checked(site) == 0
    count = len(site.verified().entries)
    read.clear()
    assert signatures_checked(site) == 0
    of_entries = {seq for seq in range(1, count + 1) if entry_path(site.world.zone, seq) in read}
    assert {1, count} <= of_entries < set(range(1, count + 1))  # genesis is pinned, the head pins the files


def _entry(text: bytes) -> bytes:
    return text.replace(b'"converged":true', b'"converged":false')


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("ENTRY", _entry),
        ("ENTRY.sig", lambda text: text.replace(b"A", b"B", 1)),
        ("LOG.md", lambda text: text + b"\n"),
        ("LOG.md.sig", lambda text: text.replace(b"A", b"B", 1)),
        ("STATE", lambda text: text.replace(b" IN A ", b" IN A 9", 1)),
        ("ZONE", lambda text: text.replace(b" IN A ", b" IN A 9", 1)),
        ("ZONE", lambda text: text.replace(b" IN A ", b" ", 1)),
    ],
)
def test_a_rewritten_file_is_found_all_the_same(site: Site, path: str, change: Callable[[bytes], bytes]) -> None:
    signatures_checked(site)
    zone = site.world.zone
    path = path.replace("ENTRY", entry_path(zone, 3))
    path = path.replace("STATE", state_path(zone)).replace("ZONE", zone_path(zone))
    before = site.world.evidence(path)
    assert change(before) != before
    site.world.rewrite_evidence({path: change(before)})
    mark = mark_of(site).read_bytes()
    with pytest.raises(Refused) as refused:
        signatures_checked(site)
    assert refused.value.guard == "evidence-invalid"
    with pytest.raises(Refused) as refused:
        site.apply()
    assert refused.value.guard == "evidence-invalid"
    assert mark_of(site).read_bytes() == mark


@pytest.mark.parametrize("seq", [2, 3])
def test_a_rewritten_line_that_no_outline_has_is_found_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch, seq: int
) -> None:
    monkeypatch.setattr("hyops_gitops.log.envelope._LONG", 0)
    signatures_checked(site)
    path = entry_path(site.world.zone, seq)  # the first apply: its changes, and the answers
    before = site.world.evidence(path)
    changed = before.replace(b'"type":"A"', b'"type":"B"', 1)
    outlines = [replace(decode_about(content, ""), sha256="") for content in (before, changed)]
    assert (before != changed, outlines[0]) == (True, outlines[1])
    site.world.rewrite_evidence({path: changed})
    with pytest.raises(Refused) as refused:
        signatures_checked(site)
    assert refused.value.guard == "evidence-invalid"


def test_other_signers_void_it(site: Site) -> None:
    signatures_checked(site)
    signers = site.world.read("authority/allowed_signers")
    site.world.write("authority/allowed_signers", f"{signers}# looked at\n")
    assert signatures_checked(site) == everything(site)
    assert signatures_checked(site) == 0


def test_a_mark_about_something_else_is_not_used(site: Site) -> None:
    signatures_checked(site)
    fields = json.loads(mark_of(site).read_bytes())
    for name, value in fields.items():
        mark_of(site).write_text(json.dumps({**fields, name: "0" * len(value)}))
        assert signatures_checked(site) == everything(site), name
        assert json.loads(mark_of(site).read_bytes()) == fields


def test_a_mark_whose_ledger_is_of_another_commit_is_not_used(site: Site) -> None:
    signatures_checked(site)
    older = json.loads(mark_of(site).read_bytes())
    site.change()
    site.apply()
    signatures_checked(site)
    newer = json.loads(mark_of(site).read_bytes())
    for lie in ({**newer, "ledger": older["ledger"]}, {**newer, "commit": older["commit"]}):
        mark_of(site).write_text(json.dumps(lie))
        assert signatures_checked(site) == everything(site)
        assert json.loads(mark_of(site).read_bytes()) == newer


def test_a_mark_that_forgot_what_caches_hold_is_found_by_an_audit(site: Site) -> None:
    """The one part of a ledger that nothing else contradicts."""
    for target, ttl in (("10.7.0.1", 3600), ("10.7.0.2", 30)):
        site.world.contract("first", target, ttl=ttl)
        site.world.commit()
        site.apply()
    signatures_checked(site)
    mark = json.loads(mark_of(site).read_bytes())
    name = site.world.name("first")
    assert list(mark["ledger"]["remembered"]) == [name]
    mark["ledger"]["remembered"] = {}
    mark_of(site).write_text(json.dumps(mark))
    site.change()
    site.apply()
    ran = site.world.cli("audit", "--offline", "--format", "json")
    problems = ran.document()["problems"]
    assert isinstance(problems, list)
    (problem,) = problems
    assert (ran.exit, problem["code"], f"the old target of {name} until" in problem["message"]) == (
        1,
        "retirement",
        True,
    )


def test_a_broken_mark_is_ignored(site: Site) -> None:
    for content in (b"", b"{", b"[]", b"\xff", b"[" * 4000, b'{"format":"hyops-verified/2"}'):
        mark_of(site).write_bytes(content)
        assert signatures_checked(site) == everything(site), content
        assert signatures_checked(site) == 0


def test_a_clone_that_cannot_be_written_to_is_verified_in_full(site: Site) -> None:
    shutil.rmtree(mark_of(site).parent)
    mark_of(site).parent.write_text("in the way")
    assert signatures_checked(site) == signatures_checked(site) == everything(site)


def test_verify_neither_reads_nor_writes_it(site: Site) -> None:
    signatures_checked(site)
    mark = mark_of(site).read_bytes()
    mark_of(site).unlink()
    assert site.world.cli("evidence", "verify").exit == 0
    assert not mark_of(site).exists()
    site.change()
    site.apply()
    mark_of(site).write_bytes(mark)
    site.world.git("fetch", "-q", "origin", "evidence")
    assert site.world.cli("evidence", "verify").exit == 0
    assert mark_of(site).read_bytes() == mark
