"""Damage that only git, or the contracts in it, can show: the audit and script/audit.sh say no, and ours says why."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.adapters.ssh.signing import SshKeygenSigner
from hyops_gitops.audit.report import Audit
from hyops_gitops.core.declaration import Declaration
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.guards import Override
from hyops_gitops.core.people import MergedCommit, Person
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.admin_entries import Gap, MissingEntries, Reconcile
from hyops_gitops.log.branch import Signers
from hyops_gitops.log.entries import Intent, Result
from hyops_gitops.log.envelope import entry_path
from hyops_gitops.log.parts import ContractsRef
from hyops_gitops.log.reconciling import reconciliation
from hyops_gitops.plan.plan import Change
from tests.support.book import ZONE, Book, audit_script, build, commit_trees
from tests.support.clone import run
from tests.support.forks import HEAD, forked, offline_audit, problem_codes, store
from tests.support.segments import Breakglass, read

Make = Callable[[], Path]


def _sound(found: Audit) -> bool:
    return found.passed


# --- intents and results that are validly signed and untrue


def _other_target(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)

    def change(one: Change) -> Change:
        return replace(one, after=RRset.of(one.name, one.type, 60, ["10.0.0.66"]))

    copy.intend(copy.intent(change=change))
    copy.finish()
    return copy


def _other_ttl(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    copy.intend(copy.intent(change=lambda one: replace(one, after=replace(one.after, ttl=5)) if one.after else one))
    copy.finish()
    return copy


def _omitted_change(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    extra = RRset.of(f"extra.prod.{ZONE}", "A", 60, ["10.0.0.5"])
    copy.intend(copy.intent(change=lambda one: replace(one, name=extra.name, before=None, after=extra)))
    copy.finish()
    return copy


def _other_manifest(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    intent = copy.intent()
    copy.intend(replace(intent, contracts=ContractsRef(intent.contracts.commit, "ab" * 32)))
    copy.finish()
    return copy


def _other_authority(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    intent = copy.intent()
    copy.intend(replace(intent, authority=replace(intent.authority, sha256="ab" * 32)))
    copy.finish()
    return copy


def _lying_result(book: Book, root: Path) -> Book:
    copy = forked(book, root, 14)
    copy.finish(lie=True)
    return copy


def _unshown_result(book: Book, root: Path) -> Book:
    copy = forked(book, root, 14)
    copy.finish()
    body = copy.head.head.body
    assert isinstance(body, Result)
    again = forked(book, root, 14)
    again.add(replace(body, servers=()), observed=copy.head.observed, state=copy.head.state)
    return again


def _side_branch(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    copy.world.git("checkout", "-q", "-b", "side")
    copy.world.contract("first", "10.0.0.99")
    copy.world.commit("Nobody reviewed this")
    copy.apply()
    copy.world.git("checkout", "-q", "main")
    return copy


def _unknown_commit(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    intent = copy.intent()
    copy.intend(replace(intent, contracts=ContractsRef("ab" * 20, intent.contracts.manifest)))
    copy.finish()
    return copy


def _left_out(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    copy.intend(replace(copy.intent(), merged=()))
    copy.finish()
    return copy


def _made_up(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    intent = copy.intent()
    ghost = MergedCommit("cd" * 20, "never was", Person("Ghost"), intent.merged[0].time)
    copy.intend(replace(intent, merged=(*intent.merged, ghost)))
    copy.finish()
    return copy


def _made_up_kind(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    intent = copy.intent()
    drill = Declaration(kind="drill", sites_lost=("onprem",))
    copy.intend(replace(intent, merged=tuple(replace(one, declared=drill) for one in intent.merged)))
    copy.finish()
    return copy


def _made_up_override(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    lifted = Override("max-deletes", None, "it said so", "trailer")
    copy.intend(replace(copy.intent(), overrides=(lifted,)))
    copy.finish()
    return copy


def _forbidden_override(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    lifted = Override("empty-tree", None, "the policy does not list it", "option")
    copy.intend(replace(copy.intent(), overrides=(lifted,)))
    copy.finish()
    return copy


def _other_author(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    intent = copy.intent()
    copy.intend(replace(intent, merged=tuple(replace(one, author=Person("Somebody")) for one in intent.merged)))
    copy.finish()
    return copy


def _other_plan_digest(book: Book, root: Path) -> Book:
    copy = forked(book, root, 13)
    copy.intend(replace(copy.intent(), plan_sha256="ab" * 32))
    copy.finish()
    return copy


def _unknown_signers(book: Book, root: Path) -> Book:
    copy = forked(book, root, HEAD)
    wrong = Signers(copy.signers.lines, "ab" * 32)

    class Wrong(Book):
        signers = wrong

    Wrong(copy.world, copy.keys, {}, copy.store, copy.clock, copy.head).unchanged()
    return copy


def _gap(book: Book, root: Path) -> Book:
    copy = forked(book, root, HEAD)
    copy.add(Gap("gone", MissingEntries(16, 17), "ab" * 32))
    return copy


def _reconciled(book: Book, root: Path, damage: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Book:
    """A segment in which Alice moved a service there and back, brought in, its files then damaged."""
    copy = forked(book, root, HEAD)
    glass = Breakglass.on(copy).move("10.0.0.2").move("10.0.0.1", witness="bob@tests")
    segment = read(copy, glass.files).segment
    assert segment is not None
    contracts, commit = copy.validation().contracts, copy.references()[0].commit
    taken = reconciliation(
        segment, copy.head, commit, contracts=contracts, review="other@tests", reason="", overrides=()
    )
    paths = {f"segments/{segment.ref.id}/{name}": content for name, content in damage(glass.files).items()}
    copy.store.trees.append({**copy.files, **paths})
    copy.add(taken.entry, observed=taken.observed, state=taken.state)
    return copy


def _lost_segment(book: Book, root: Path) -> Book:
    return _reconciled(book, root, lambda _: {})


def _cut_segment(book: Book, root: Path) -> Book:
    return _reconciled(book, root, lambda files: {name: files[name] for name in files if not name.startswith("000004")})


def _edited_segment(book: Book, root: Path) -> Book:
    return _reconciled(book, root, lambda files: {**files, "000002.json": files["000002.json"].replace(b"7", b"8", 1)})


def _resigned_segment(book: Book, root: Path) -> Book:
    def damage(files: dict[str, bytes]) -> dict[str, bytes]:
        data = files["000004.json"].replace(b"hyops-gitops tests", b"hyops-gitops tales")
        signature = SshKeygenSigner(book.keys["alice@tests"]).sign(data, "hyops-gitops-breakglass")
        return {**files, "000004.json": data, "000004.json.sig": signature}

    return _reconciled(book, root, damage)


def _untold_segment(book: Book, root: Path) -> Book:
    """The entry says of the segment what it does not hold: validly signed, and untrue."""
    copy = _reconciled(book, root, dict)
    body = copy.head.head.body
    assert isinstance(body, Reconcile)
    assert body.imported is not None
    again = forked(book, root, HEAD)
    again.store.trees.append({**copy.store.trees[-2]})
    untrue = replace(body, imported=replace(body.imported, operators=("bob@tests",)))
    again.add(untrue, observed=copy.head.observed, state=copy.head.state)
    return again


OURS_ALONE = {"commit-facts", "override"}  # what the script does not look at, and docs/auditing.md says so
CASES: dict[str, tuple[Callable[[Book, Path], Book], str]] = {
    "plan with another target": (_other_target, "plan-not-contract"),
    "plan with another TTL": (_other_ttl, "plan-not-contract"),
    "plan without the change": (_omitted_change, "plan-not-contract"),
    "29 another manifest": (_other_manifest, "manifest"),
    "29 another authority": (_other_authority, "manifest"),
    "26 converged over other answers": (_lying_result, "not-converged"),
    "26 converged and nobody asked": (_unshown_result, "not-converged"),
    "commit of a side branch": (_side_branch, "not-on-main"),
    "commit that is not here": (_unknown_commit, "not-on-main"),
    "merged commit left out": (_left_out, "population"),
    "merged commit made up": (_made_up, "not-on-main"),
    "another author": (_other_author, "commit-facts"),
    "made up kind of change": (_made_up_kind, "commit-facts"),
    "override that no commit holds": (_made_up_override, "commit-facts"),
    "override that the policy did not allow": (_forbidden_override, "override"),
    "another digest of the plan": (_other_plan_digest, "plan-digest"),
    "signers that never were": (_unknown_signers, "signers"),
    "gap that nobody looked into": (_gap, "gap"),
    "30 segment dropped": (_lost_segment, "segment"),
    "30 end of a segment dropped": (_cut_segment, "segment"),
    "31 segment edited": (_edited_segment, "signature"),
    "31 segment edited and re-signed": (_resigned_segment, "segment"),
    "31 segment that did something else": (_untold_segment, "segment"),
}
NOT_BY_SCRIPT = {"31 segment that did something else"}


@pytest.mark.parametrize("name", CASES)
def test_untrue_entry_is_refused(name: str, book: Book, signers: Path, clone: Make) -> None:
    damage, expected = CASES[name]
    root = store(damage(book, clone()))
    assert expected in problem_codes(offline_audit(root))
    fine, said = audit_script(root, signers)
    assert fine is (expected in OURS_ALONE or name in NOT_BY_SCRIPT), said


@pytest.mark.parametrize("lost", ["hetzner", "onprem"])
def test_a_required_server_may_be_silent_where_its_site_is_lost(
    lost: str, book: Book, signers: Path, clone: Make
) -> None:
    copy = forked(book, clone(), HEAD)
    copy.world.contract("first", "10.0.0.3")
    copy.world.commit(f"Move first\n\nHyops-Site-Lost: {lost}")
    copy.apply()
    body = copy.head.head.body
    assert isinstance(body, Result)
    silent = copy.copy(HEAD + 1)
    silent.add(replace(body, servers=()), observed=copy.head.observed, state=copy.head.state)
    root = store(silent)
    assert problem_codes(offline_audit(root)) == (set() if lost == "hetzner" else {"not-converged"})
    fine, said = audit_script(root, signers)
    assert fine is (lost == "hetzner"), said


# --- the branch itself


def _rewritten_and_restored(book: Book, root: Path) -> None:
    path = entry_path(ZONE, 7)
    good = book.files
    commit_trees(root, [*book.store.trees, {**good, path: good[path].replace(b"10.0.0.2", b"10.0.0.9")}, good])


def _merged_twice(book: Book, root: Path) -> None:  # noqa: ARG001
    """A merge whose tree is the right one: what came in between it hides from a plain `git log`."""
    git = ("git", "-C", root, "-c", "user.name=m", "-c", "user.email=m@example.invalid")
    tree = run(*git, "rev-parse", "evidence^{tree}").decode().strip()
    side = run(*git, "commit-tree", tree, "-p", "evidence~1", "-m", "side").decode().strip()
    merge = run(*git, "commit-tree", tree, "-p", "evidence", "-p", side, "-m", "evil").decode().strip()
    run(*git, "update-ref", "refs/heads/evidence", merge)


def _second_root(book: Book, root: Path) -> None:  # noqa: ARG001
    git = ("git", "-C", root, "-c", "user.name=m", "-c", "user.email=m@example.invalid")
    tree = run(*git, "rev-parse", "evidence^{tree}").decode().strip()
    orphan = run(*git, "commit-tree", tree, "-m", "orphan").decode().strip()
    merge = run(*git, "commit-tree", tree, "-p", "evidence", "-p", orphan, "-m", "join").decode().strip()
    run(*git, "update-ref", "refs/heads/evidence", merge)


def _mode(mode: str) -> Callable[[Book, Path], None]:
    def damage(book: Book, root: Path) -> None:
        commit_trees(root, book.store.trees, {entry_path(ZONE, 7): mode})

    return damage


BRANCHES: dict[str, tuple[Callable[[Book, Path], None], str]] = {
    "rewritten and restored": (_rewritten_and_restored, "history"),
    "evil merge": (_merged_twice, "history"),
    "second root": (_second_root, "history"),
    "link in place of an entry": (_mode("120000"), "path"),
    "program in place of an entry": (_mode("100755"), "path"),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branch_that_did_not_only_grow_is_refused(name: str, book: Book, signers: Path, clone: Make) -> None:
    damage, expected = BRANCHES[name]
    root = clone()
    damage(book, root)
    assert expected in problem_codes(offline_audit(root))
    fine, said = audit_script(root, signers)
    assert not fine
    assert said.endswith("FAILED\n"), said


@pytest.mark.parametrize(
    ("old", "new"),
    [("10.0.0.1", "10.0.0.66"), (" | Tester |", " | Somebody |"), ("000015", "000016"), ("\n", "\n\nand more\n")],
)
def test_commit_that_tells_something_else_is_found(old: str, new: str, book: Book, clone: Make) -> None:
    root = clone()

    def reword(message: str) -> str:
        return message.replace(old, new) if message.startswith("000015") else message

    commit_trees(root, book.store.trees, reword=reword)
    found = offline_audit(root)
    assert [(one.code, one.where) for one in found.problems] == [("subject", entry_path(ZONE, HEAD))]


def test_submodule_in_place_of_an_entry_is_refused(signers: Path, clone: Make) -> None:
    root = clone()
    path, head = entry_path(ZONE, 7), run("git", "-C", root, "rev-parse", "main").decode().strip()
    git = ("git", "-C", root, "-c", "user.name=m", "-c", "user.email=m@example.invalid")
    run(*git, "checkout", "-q", "evidence")
    run(*git, "update-index", "--force-remove", path)
    run(*git, "update-index", "--add", "--cacheinfo", f"160000,{head},{path}")
    run(*git, "commit", "-q", "-m", "submodule")
    run(*git, "checkout", "-q", "-f", "main")
    assert "path" in problem_codes(offline_audit(root))
    assert not audit_script(root, signers)[0]


def test_dropped_tail_with_rewritten_history_is_missed_without_an_outside_head(
    book: Book, signers: Path, clone: Make
) -> None:
    root = clone()
    commit_trees(root, book.store.trees[:13])
    seen = f"{HEAD}:{book.head.head.sha256}"
    found = offline_audit(root)
    assert found.passed
    assert [row.disposition for row in found.population][-1] == "not applied"  # all that is left to see of it
    assert problem_codes(offline_audit(root, seen)) == {"seen"}
    assert audit_script(root, signers)[0]
    assert not audit_script(root, signers, "--seen", seen)[0]


def test_rewritten_last_change_is_missed_without_an_outside_head(book: Book, signers: Path, clone: Make) -> None:
    copy = forked(book, clone(), 13)
    copy.apply()
    root, seen = store(copy), f"{HEAD}:{book.head.head.sha256}"
    assert offline_audit(root).passed
    assert problem_codes(offline_audit(root, seen)) == {"seen"}
    assert audit_script(root, signers)[0]
    assert not audit_script(root, signers, "--seen", seen)[0]


def test_replaced_object_cannot_conclude(book: Book, signers: Path, clone: Make) -> None:  # noqa: ARG001
    root = clone()
    run("git", "-C", root, "replace", "evidence~1", "evidence~2")
    found = offline_audit(root)
    assert not found.passed
    assert not found.conclusive
    assert audit_script(root, signers)[1].endswith("CANNOT CONCLUDE\n")


def test_graft_cannot_conclude(book: Book, signers: Path, clone: Make) -> None:  # noqa: ARG001
    root = clone()
    head = run("git", "-C", root, "rev-parse", "main").decode()
    (root / ".git" / "info" / "grafts").write_text(head)
    assert not offline_audit(root).conclusive
    assert audit_script(root, signers)[1].endswith("CANNOT CONCLUDE\n")


def test_shallow_clone_cannot_conclude(book: Book, signers: Path, tmp_path: Path) -> None:
    run("git", "clone", "-q", "--depth", "1", "--no-single-branch", f"file://{book.world.root}", tmp_path / "shallow")
    run("git", "-C", tmp_path / "shallow", "branch", "evidence", "origin/evidence")
    found = offline_audit(tmp_path / "shallow")
    assert not found.passed
    assert not found.conclusive
    assert audit_script(tmp_path / "shallow", signers)[1].endswith("CANNOT CONCLUDE\n")


def test_deleted_branch_is_refused(book: Book, signers: Path, clone: Make) -> None:  # noqa: ARG001
    root = clone()
    run("git", "-C", root, "branch", "-D", "evidence")
    with pytest.raises(Refused, match="no branch"):
        offline_audit(root)
    assert audit_script(root, signers)[1].endswith("CANNOT CONCLUDE\n")


def test_clone_with_autocrlf_passes(book: Book, signers: Path, tmp_path: Path) -> None:
    config = ("-c", "core.autocrlf=true")
    run("git", *config, "clone", "-q", "--config", "core.autocrlf=true", book.world.root, tmp_path / "crlf")
    run("git", "-C", tmp_path / "crlf", "branch", "evidence", "origin/evidence")
    assert offline_audit(tmp_path / "crlf").passed
    fine, said = audit_script(tmp_path / "crlf", signers)
    assert fine, said


def test_bare_clone_passes_the_script(book: Book, signers: Path, tmp_path: Path) -> None:
    run("git", "clone", "-q", "--bare", book.world.root, tmp_path / "bare")
    fine, said = audit_script(tmp_path / "bare", signers)
    assert fine, said


def test_sha256_repository_passes(tmp_path: Path) -> None:
    book = build(tmp_path, "--object-format=sha256")
    commit_trees(book.world.root, book.store.trees)
    file = tmp_path / "signers"
    shutil.copy(book.world.root / "authority" / "allowed_signers", file)
    assert offline_audit(book.world.root).passed
    fine, said = audit_script(book.world.root, file)
    assert fine, said


def test_filters_and_hooks_of_the_repository_take_no_part(signers: Path, clone: Make, tmp_path: Path) -> None:
    """A repository handed over can name programs that git runs."""
    root = clone()
    trap = tmp_path / "ran"
    for setting in ("core.fsmonitor", "filter.trap.smudge", "filter.trap.clean", "core.sshCommand"):
        run("git", "-C", root, "config", setting, f"touch {trap}")
    (root / ".git" / "info" / "attributes").write_text("* filter=trap\n")
    assert offline_audit(root).passed
    assert audit_script(root, signers)[0]
    assert not trap.exists()


def test_reconciled_segment_passes_both(book: Book, signers: Path, clone: Make) -> None:
    root = store(_reconciled(book, clone(), dict))

    assert offline_audit(root).passed
    assert audit_script(root, signers)[0]


def test_unreconciled_segment_is_listed(book: Book, clone: Make) -> None:
    root = clone()
    commit_trees(root, [*book.store.trees, {**book.files, "segments/b/1.json": b"{}\n"}])
    found = offline_audit(root)
    assert found.passed
    assert [one.message for one in found.exceptions if one.kind == "segment"] == [
        "break-glass segment b is not reconciled"
    ]


def test_every_kind_of_exception_is_listed(book: Book) -> None:
    found = offline_audit(book.world.root)
    assert found.passed
    kinds = {one.kind for one in found.exceptions}
    assert {"drift", "refusal", "authority", "keys", "gap", "acknowledged", "recovered"} <= kinds
    assert [row.disposition for row in found.population] == [
        "applied",
        "unchanged",
        "applied",
        "unchanged",
        "applied",
    ]
    assert {row.outcome for row in found.changes} == {"applied"}


def test_intent_of_the_book_is_the_contracts(book: Book) -> None:
    assert isinstance(book.head.entries[13].body, Intent)
    assert _sound(offline_audit(book.world.root))
