"""GitEvidenceStore against real repositories and a bare remote with a forge's protections."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from hyops_gitops.adapters.git.commit import GitBranches
from hyops_gitops.adapters.git.evidence import GitEvidenceStore
from hyops_gitops.adapters.git.remote import PushOutcome, RemoteBranch
from hyops_gitops.adapters.git.snapshot import history_is_linear
from hyops_gitops.adapters.git.work_tree import StagedTree
from hyops_gitops.adapters.host.machine import process_is_gone
from hyops_gitops.core.errors import HyopsError, InvalidData, OutsideFailure, Refused, UsageError
from hyops_gitops.lab.zones import wait_until
from tests.support.plain_repo import MakeRepo, Repo

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BRANCH = "evidence"
LOCAL = f"refs/heads/{BRANCH}"
TRACKING = f"refs/remotes/origin/{BRANCH}"


def store(repo: Repo, remote: str | None = "origin") -> GitEvidenceStore:
    return GitEvidenceStore(repo.path, BRANCH, remote)


def add(to: GitEvidenceStore, parent: str | None, number: int = 1, text: str = "entry") -> str:
    path = f"log/z/0000/{number:06}.json"
    files = {path: f"{text} {number}\n".encode(), f"{path}.sig": b"sig\n", "LOG.md": f"{number}\n".encode()}
    return to.append(parent, files, f"{number} {text}", "applier@hyops", AT)


def state_of(repo: Repo) -> dict[str, bytes]:
    """Every byte of the work tree, and of what says where it stands."""
    files = [
        file for file in repo.path.rglob("*") if file.is_file() and ".git" not in file.relative_to(repo.path).parts
    ]
    files += [repo.path / ".git" / name for name in ("index", "HEAD", "config")]
    return {str(file): hashlib.sha256(file.read_bytes()).digest() for file in files}


def second_clone(bare: Repo, make_repo: MakeRepo) -> Repo:
    other = make_repo("second")
    other.git("remote", "add", "origin", str(bare.path))
    other.git("fetch", "-q", "origin")
    return other


def refused(act: Callable[[], object], code: str) -> HyopsError:
    with pytest.raises((Refused, OutsideFailure)) as caught:
        act()
    assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize("remote", ["origin", None])
def test_nothing_there_at_first_then_it_grows(clone: Repo, remote: str | None) -> None:
    log = store(clone, remote)
    assert log.recorded() is None
    assert log.fetch() is None
    first = add(log, None)
    second = add(log, first, 2)
    for snapshot in (log.recorded(), log.fetch()):
        assert snapshot is not None
        assert snapshot.commit == second
        assert snapshot.paths() == [
            "LOG.md",
            *(f"log/z/0000/00000{number}.json{end}" for number in (1, 2) for end in ("", ".sig")),
        ]
        assert snapshot.read(["LOG.md", "log/z/0000/000001.json", "none"]) == {
            "LOG.md": b"2\n",
            "log/z/0000/000001.json": b"entry 1\n",
        }
        assert history_is_linear(snapshot) == []
        assert history_is_linear(snapshot, since=first) == []
    assert clone.head_of(LOCAL) == second
    assert clone.head_of(TRACKING) == (second if remote else None)


def test_files_can_be_deleted_and_contents_are_bytes(clone: Repo) -> None:
    log = store(clone)
    clone.git("config", "core.autocrlf", "true")
    clone.git("config", "i18n.commitEncoding", "ISO-8859-1")
    odd = 'segments/x/odd "na\nme\\ ü'
    first = log.append(None, {odd: b"a\r\nb\n\0\xff", "gone": b"", "state/z": b"1"}, "ü first", "me", AT)
    second = log.append(first, {"gone": None, "never": None, "state/z": b"2"}, "second", "me", AT)
    snapshot = log.fetch()
    assert snapshot is not None
    assert snapshot.commit == second
    assert snapshot.paths() == sorted([odd, "state/z"])
    assert snapshot.read(snapshot.paths()) == {odd: b"a\r\nb\n\0\xff", "state/z": b"2"}
    raw = clone.git("cat-file", "commit", first)
    assert raw.endswith("ü first")
    assert "\nencoding " not in raw


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_the_same_entry_makes_the_same_commit(object_format: str, make_repo: MakeRepo, tmp_path: Path) -> None:
    ids, raws = set(), set()
    for number in range(2):
        repo = make_repo(f"repo{number}", f"--object-format={object_format}")
        repo.git("config", "user.name", f"someone {number}")
        repo.git("config", "commit.gpgSign", "true" if number else "false")
        repo.git("config", "gpg.program", str(tmp_path / "none"))
        zone = timezone(timedelta(hours=9 * number))
        first = add(store(repo, None), None)
        log = store(repo, None)
        ids.add(log.append(first, {"log/x": b"x"}, "subject", "applier@hyops", AT.astimezone(zone)))
        raws.add(repo.git("cat-file", "commit", BRANCH))
    (commit,), (raw,) = ids, raws
    assert len(commit) == (40 if object_format == "sha1" else 64)
    who = "applier@hyops <noreply@hyops-gitops.invalid> 1772600767 +0000"
    assert raw.splitlines()[2:] == [f"author {who}", f"committer {who}", "", "subject"]


@pytest.mark.parametrize("remote", ["origin", None])
def test_work_tree_index_and_head_are_untouched(clone: Repo, remote: str | None) -> None:
    clone.write("endpoints/prod/a.yaml", "changed\n")
    clone.write("endpoints/prod/new.yaml", "untracked\n")
    clone.git("add", "endpoints/prod/new.yaml")
    clone.write("endpoints/prod/new.yaml", "changed again\n")
    before = state_of(clone)
    log = store(clone, remote)
    add(log, add(log, None), 2)
    log.fetch()
    assert state_of(clone) == before
    assert not (clone.path / ".git/FETCH_HEAD").exists()


def test_a_race_is_lost_by_one_and_nothing_is_lost(clone: Repo, bare: Repo, make_repo: MakeRepo) -> None:
    mine, theirs = store(clone), store(second_clone(bare, make_repo))
    first = add(mine, None)
    refused(lambda: add(theirs, None, text="other"), "race")
    assert theirs.fetch() is not None
    second = add(theirs, first, 2)
    refused(lambda: add(mine, first, 2, text="mine"), "race")
    assert bare.head_of(LOCAL) == second
    found = mine.fetch()
    assert found is not None
    third = add(mine, found.commit, 3)
    assert bare.git("log", "--format=%H", BRANCH).split() == [third, second, first]


def test_pushing_what_somebody_else_pushed_is_a_lost_race_too(clone: Repo, bare: Repo, make_repo: MakeRepo) -> None:
    add(store(clone), None)
    refused(lambda: add(store(second_clone(bare, make_repo)), None), "race")


def test_a_race_in_local_mode(clone: Repo) -> None:
    log = store(clone, None)
    first = add(log, None)
    refused(lambda: add(log, None, text="other"), "race")
    second = add(log, first, 2)
    refused(lambda: add(log, first, 2, text="other"), "race")
    assert clone.head_of(LOCAL) == second


def test_a_server_that_moves_between_advertising_and_locking(clone: Repo, bare: Repo, make_repo: MakeRepo) -> None:
    """The lease is checked on both sides: here only the server's own check can see the other commit."""
    log = store(clone)
    first = add(log, None)
    other = second_clone(bare, make_repo)
    other.git("update-ref", LOCAL, first)
    second = add(store(other, None), first, 2, text="theirs")
    other.git("push", "-q", "origin", f"{second}:refs/heads/parked")
    hook = bare.path / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nunset GIT_QUARANTINE_PATH\ngit update-ref {LOCAL} {second} {first}\n")
    hook.chmod(0o755)
    refused(lambda: add(log, first, 2, text="mine"), "race")
    assert bare.head_of(LOCAL) == second


def test_a_remote_that_cannot_be_reached(clone: Repo, bare: Repo) -> None:
    log = store(clone)
    first = add(log, None)
    shutil.move(bare.path, bare.path.with_name("moved.git"))
    for act in (log.fetch, lambda: add(log, first, 2)):
        failure = refused(act, "remote-unreachable")
        assert "git ls-remote origin" in failure.hint
    recorded = log.recorded()
    assert recorded is not None
    assert recorded.commit == first


def test_a_lock_that_a_killed_git_left_is_named_with_its_remedy(clone: Repo, bare: Repo, make_repo: MakeRepo) -> None:
    """Its remote answers: to test that would lead nowhere."""
    first = add(store(clone), None)
    other = store(second_clone(bare, make_repo))
    assert other.fetch() is not None
    add(other, first, 2)
    lock = clone.path / ".git/refs/remotes/origin/evidence.lock"
    lock.touch()
    failure = refused(store(clone).fetch, "git-locked")
    assert failure.message.startswith(f"{lock} exists")
    assert failure.hint.endswith(f": rm {lock}")
    lock.unlink()
    assert store(clone).fetch() is not None


def test_no_room_for_temporary_files(clone: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    failure = refused(lambda: StagedTree(clone.path, {}).files(), "cannot-write")
    assert "TMPDIR" in failure.hint
    assert add(store(clone), None) == clone.head_of(f"refs/heads/{BRANCH}")  # the log needs none


def test_branches_with_names_that_are_not_utf_8_are_in_nobodys_way(clone: Repo) -> None:
    head = clone.commit("one").encode()
    (clone.path / ".git/packed-refs").write_bytes(b"%b refs/heads/caf\xe9\n%b refs/heads/move\n" % (head, head))
    assert GitBranches(clone.path).free_name("move") == "move-2"


def test_a_remote_that_is_not_configured(clone: Repo) -> None:
    failure = refused(store(clone, "upstream").fetch, "remote-unreachable")
    assert "no remote called 'upstream'" in failure.message


def test_credentials_in_a_url_are_not_repeated(clone: Repo) -> None:
    clone.git("remote", "set-url", "origin", "http://robot:TOKEN@127.0.0.1:9/none.git")
    failure = refused(store(clone).fetch, "remote-unreachable")
    assert "TOKEN" not in failure.message + failure.hint
    assert "127.0.0.1" in failure.message


@pytest.mark.parametrize("remote", ["-origin", "--upload-pack=touch", "https://host/x", "ext::sh", ""])
def test_only_names_of_remotes_are_taken(remote: str, clone: Repo) -> None:
    with pytest.raises(UsageError):
        store(clone, remote)


@pytest.mark.parametrize("branch", ["-b", "", "a..b", "a b", "a/", "x.lock", "a//b", ".a", "a/.b", "a:b", "a^"])
def test_only_names_of_branches_are_taken(branch: str, clone: Repo) -> None:
    with pytest.raises(UsageError):
        GitEvidenceStore(clone.path, branch, None)


def test_a_refusing_server_is_no_race(clone: Repo, bare: Repo) -> None:
    hook = bare.path / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nprintf 'protected branch \\033[31m, ask https://a:SECRET@forge\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    failure = refused(lambda: add(store(clone), None), "remote-refused")
    assert "protected branch" in failure.message
    assert "\x1b" not in failure.message
    assert "SECRET" not in failure.message
    assert clone.head_of(LOCAL) is None


def die_after_storing(bare: Repo, before_dying: str = "") -> None:
    """Make the server store the next push and end before it can say so."""
    hook = bare.path / "hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\n[ "$1" = committed ] || exit 0\nrm "$0"\n{before_dying}\nkill -9 $PPID\n')
    hook.chmod(0o755)


def test_a_lost_reply_is_settled_by_asking(clone: Repo, bare: Repo) -> None:
    log = store(clone)
    die_after_storing(bare)
    first = add(log, None)
    assert bare.head_of(LOCAL) == first
    assert clone.head_of(TRACKING) == first
    unseen = add(store(clone, None), first, 2)
    die_after_storing(bare)
    report = RemoteBranch(log._git, "origin", BRANCH).push(unseen, first)
    assert report.outcome is PushOutcome.UNCLEAR
    assert bare.head_of(LOCAL) == unseen


def test_a_lost_reply_is_settled_even_under_somebody_elses_commit(clone: Repo, bare: Repo, make_repo: MakeRepo) -> None:
    other = second_clone(bare, make_repo)
    first = add(store(other, None), None)  # the very commit that the clone will make
    second = add(store(other, None), first, 2)
    other.git("push", "-q", "origin", f"{second}:refs/heads/parked")
    die_after_storing(bare, f"git update-ref {LOCAL} {second} {first}")
    assert add(store(clone), None) == first
    assert bare.head_of(LOCAL) == second


@pytest.mark.parametrize("choice", ["nothing", "core.sshCommand", "GIT_SSH_COMMAND"])
def test_ssh_cannot_ask_unless_the_user_chose_how_to_run_it(
    choice: str, clone: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    for name in ("ssh", "my-ssh"):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\necho {name} "$@" >> {seen}\nexit 1\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    if choice == "core.sshCommand":
        clone.git("config", choice, "my-ssh")
    elif choice == "GIT_SSH_COMMAND":
        monkeypatch.setenv(choice, "my-ssh")
    clone.git("remote", "set-url", "origin", "ssh://git@forge.invalid/x.git")
    refused(store(clone).fetch, "remote-unreachable")
    command = seen.read_text().splitlines()[-1]
    assert command.startswith("ssh -oBatchMode=yes" if choice == "nothing" else "my-ssh")


def test_a_remote_that_hangs_is_given_up_and_left_nothing_running(
    clone: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    script = tmp_path / "hang"
    script.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 300\n")
    script.chmod(0o755)
    monkeypatch.setattr("hyops_gitops.adapters.git.remote.NETWORK_TIMEOUT_S", 1.0)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(script))
    clone.git("remote", "set-url", "origin", "ssh://git@forge.invalid/x.git")
    failure = refused(store(clone).fetch, "remote-unreachable")
    assert "took longer than 1 s" in failure.message
    hung = int(pid.read_text())  # killed, but the kernel may take a moment on a busy machine
    wait_until(lambda: process_is_gone(hung), 10, "the end of what hung")


def test_a_branch_deleted_on_the_remote_is_absent_though_remembered(clone: Repo, bare: Repo) -> None:
    log = store(clone)
    first = add(log, None)
    bare.git("update-ref", "-d", LOCAL)
    bare.git("update-ref", f"refs/heads/decoy/{LOCAL}", "main")
    assert log.fetch() is None
    recorded = log.recorded()
    assert recorded is not None
    assert recorded.commit == first
    refused(lambda: add(log, first, 2), "race")


@pytest.mark.parametrize("how", ["rewound", "replaced"])
def test_a_rewound_remote_is_refused_and_not_believed(how: str, clone: Repo, bare: Repo, make_repo: MakeRepo) -> None:
    clone.git("config", "fetch.showForcedUpdates", "false")
    log = store(clone)
    first = add(log, None)
    second = add(log, first, 2)
    other = second_clone(bare, make_repo)
    forged = first if how == "rewound" else add(store(other, None), None, text="forged")
    bare.git("config", "receive.denyNonFastForwards", "false")
    other.git("push", "-q", "--force", "origin", f"{forged}:{LOCAL}")
    failure = refused(log.fetch, "evidence-diverged")
    assert second[:12] in failure.message
    assert forged[:12] in failure.message
    assert clone.head_of(TRACKING) == second
    refused(lambda: add(log, second, 3), "race")


def test_a_diverged_local_branch_is_refused_and_never_moved(clone: Repo) -> None:
    log = store(clone)
    first = add(log, None)
    clone.git("update-ref", "-d", TRACKING)
    mine = add(store(clone, None), first, 2, text="never pushed")
    clone.git("update-ref", TRACKING, first)
    newest = log.recorded()
    assert newest is not None
    assert newest.commit == mine
    refused(log.fetch, "evidence-diverged")  # the remote lacks what this clone has
    second = add(log, first, 2)
    assert clone.head_of(LOCAL) == mine
    assert clone.head_of(TRACKING) == second
    refused(log.recorded, "evidence-diverged")
    refused(log.fetch, "evidence-diverged")


def test_a_clone_that_only_fetched(clone: Repo, bare: Repo, make_repo: MakeRepo) -> None:
    first = add(store(clone), None)
    other = second_clone(bare, make_repo)
    assert other.head_of(LOCAL) is None
    recorded = store(other).recorded()
    assert recorded is not None
    assert recorded.commit == first
    second = add(store(clone), first, 2)
    fetched = store(other).fetch()
    assert fetched is not None
    assert fetched.commit == second
    assert (other.head_of(TRACKING), other.head_of(LOCAL)) == (second, None)


def test_a_checked_out_branch_stays_where_it_is(clone: Repo, tmp_path: Path) -> None:
    log = store(clone)
    first = add(log, None)
    clone.git("worktree", "add", "-q", str(tmp_path / "looking"), BRANCH)
    second = add(log, first, 2)
    assert (clone.head_of(LOCAL), clone.head_of(TRACKING)) == (first, second)
    recorded = log.recorded()
    assert recorded is not None
    assert recorded.commit == second
    failure = refused(lambda: add(store(clone, None), first, 2), "evidence-diverged")
    assert "check out another branch" in failure.hint


def test_a_branch_that_a_head_of_links_has_checked_out_stays_where_it_is(clone: Repo) -> None:
    log = store(clone)
    first = add(log, None)
    head = clone.path / ".git/HEAD"
    head.unlink()
    head.symlink_to(LOCAL)  # as core.preferSymlinkRefs writes it

    add(log, first, 2)

    assert clone.head_of(LOCAL) == first


def test_hostile_configuration_and_an_inherited_hook_environment(
    clone: Repo, bare: Repo, make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = make_repo("other")
    hooks, mark = tmp_path / "hooks", tmp_path / "mark"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction", "post-index-change", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
        (hooks / name).chmod(0o755)
    hidden = bare.path.with_name("hidden.git")
    bare.path.rename(hidden)
    for name, value in {
        "commit.gpgSign": "true",
        "push.gpgSign": "true",
        "push.default": "nothing",
        "push.followTags": "true",
        "core.hooksPath": str(hooks),
        "core.fsmonitor": str(hooks / "pre-push"),
        "fetch.prune": "true",
        "log.diffMerges": "off",
        f"url.{hidden}.insteadOf": "forge:",
    }.items():
        clone.git("config", name, value)
    clone.git("-c", "core.hooksPath=", "remote", "set-url", "origin", "forge:")
    server_mark = tmp_path / "server"
    (hidden / "hooks").mkdir(exist_ok=True)
    (hidden / "hooks/post-receive").write_text(f"#!/bin/sh\ntouch {server_mark}\n")
    (hidden / "hooks/post-receive").chmod(0o755)
    mark.unlink(missing_ok=True)
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / ".git/elsewhere"))
    monkeypatch.setenv("GIT_COMMITTER_NAME", "somebody else")
    log = store(clone)
    second = add(log, add(log, None), 2)
    found = log.fetch()
    assert found is not None
    assert found.commit == second
    assert not mark.exists()
    assert server_mark.exists()
    assert not (other.path / ".git/elsewhere").exists()


@pytest.mark.parametrize(
    ("mode", "path"), [("120000", "log/link"), ("100755", "log/run"), ("160000", "segments/module")]
)
def test_only_ordinary_files_are_evidence(mode: str, path: str, clone: Repo) -> None:
    first = add(store(clone, None), None)
    target = first if mode == "160000" else clone.git("rev-parse", f"{first}:LOG.md")
    clone.git("read-tree", first)
    clone.git("update-index", "--add", "--cacheinfo", f"{mode},{target},{path}")
    commit = clone.git("commit-tree", "-p", first, "-m", "x", clone.git("write-tree"))
    clone.git("update-ref", LOCAL, commit)
    snapshot = store(clone, None).recorded()
    assert snapshot is not None
    with pytest.raises(InvalidData, match=path) as caught:
        snapshot.paths()
    assert caught.value.code == "evidence-invalid"


@pytest.mark.parametrize(("most", "before"), [(5, 0), (25, 1)], ids=["at once", "one after the other"])
def test_more_than_a_log_could_have_is_not_read(
    clone: Repo, monkeypatch: pytest.MonkeyPatch, most: int, before: int
) -> None:
    add(store(clone, None), None)
    monkeypatch.setattr("hyops_gitops.adapters.git.snapshot.MAX_BYTES", most)
    snapshot = store(clone, None).recorded()
    assert snapshot is not None
    for _ in range(before):
        snapshot.read(snapshot.paths())

    with pytest.raises(InvalidData, match="octets together, as no log has") as caught:
        snapshot.read(snapshot.paths())
    assert caught.value.code == "evidence-invalid"


def test_trees_that_stand_for_any_number_of_files_are_not_listed(clone: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyops_gitops.adapters.git.tree_objects.MAX_ENTRIES", 5_000)
    line = f"100644 blob {clone.git('hash-object', '-w', '--stdin', stdin='x')}\t"
    tree = ""
    for _ in range(12):
        tree = clone.git("mktree", stdin="".join(f"{line}{name}\n" for name in "abcdefghij"))
        line = f"040000 tree {tree}\t"
    clone.git("update-ref", LOCAL, clone.git("commit-tree", "-m", "all", tree))
    snapshot = store(clone, None).recorded()
    assert snapshot is not None

    with pytest.raises(InvalidData, match="more than 5000 files and folders") as caught:
        snapshot.paths()
    assert caught.value.code == "evidence-invalid"


def test_rewritten_entries_merges_and_second_roots_are_found(clone: Repo) -> None:
    log = store(clone, None)
    first = add(log, None)
    second = log.append(first, {"log/z/0000/000001.json": b"rewritten\n"}, "rewrite", "me", AT)
    third = log.append(second, {"log/z/0000/000001.json": b"entry 1\n"}, "and back", "me", AT)
    fourth = log.append(third, {"log/z/0000/000001.json.sig": None}, "delete", "me", AT)
    snapshot = log.recorded()
    assert snapshot is not None
    (problem,) = history_is_linear(snapshot)
    assert "'log/z/0000/000001.json', 'log/z/0000/000001.json.sig'" in problem
    assert len(history_is_linear(snapshot, since=third)) == 1
    assert history_is_linear(snapshot, since=fourth) == []
    main = clone.git("rev-parse", "main")
    merge = clone.git("commit-tree", "-p", fourth, "-p", main, "-m", "evil", f"{fourth}^{{tree}}")
    clone.git("update-ref", LOCAL, merge)
    merged = log.recorded()
    assert merged is not None
    problems = " ".join(history_is_linear(merged))
    assert "2 root commits" in problems
    assert f"merges: {merge[:12]}" in problems
    assert "does not descend" in history_is_linear(snapshot, since=merge)[0]


def test_an_evil_merge_hidden_by_a_replace_reference_is_found(clone: Repo) -> None:
    log = store(clone, None)
    first = add(log, None)
    second = add(log, first, 2)
    evil = log.append(second, {"log/z/0000/000002.json": b"rewritten\n"}, "rewrite", "me", AT)
    clone.git("replace", evil, clone.git("commit-tree", "-m", "clean", f"{evil}^{{tree}}"))
    snapshot = log.recorded()
    assert snapshot is not None
    assert "000002.json" in history_is_linear(snapshot)[0]


def test_many_writers_at_once(clone: Repo, bare: Repo, tmp_path: Path) -> None:
    """Real processes on one bare repository: every accepted append is in the history, once, in one line."""
    script = tmp_path / "writer.py"
    script.write_text(
        "import sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from hyops_gitops.adapters.git.evidence import GitEvidenceStore\n"
        "from hyops_gitops.core.errors import Refused\n"
        "root, name = sys.argv[1:]\nlog, done = GitEvidenceStore(Path(root), 'evidence', 'origin'), 0\n"
        "while done < 4:\n"
        "    head = log.fetch()\n"
        "    seq = sum(path.startswith('log/') for path in head.paths()) + 1 if head else 1\n"
        "    try:\n"
        "        log.append(head.commit if head else None, {f'log/{seq:06}': name.encode()}, str(seq), name,\n"
        "                   datetime.now(UTC))\n"
        "        done += 1\n"
        "    except Refused as refusal:\n"
        "        assert refusal.guard == 'race', refusal\n"
    )
    writers = []
    for name in ("a", "b", "c"):
        root = tmp_path / name
        subprocess.run(["git", "clone", "-q", bare.path, root], check=True)
        writers.append(subprocess.Popen([sys.executable, script, root, name]))
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    snapshot = store(clone).fetch()
    assert snapshot is not None
    assert snapshot.paths() == [f"log/{seq:06}" for seq in range(1, 13)]
    assert sorted(snapshot.read(snapshot.paths()).values()) == [b"a"] * 4 + [b"b"] * 4 + [b"c"] * 4
    assert history_is_linear(snapshot) == []
