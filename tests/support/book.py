"""Logs with an entry of every type, written by the product's own code, and ways to damage them."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hyops_gitops.adapters.git.clone import GitRepository
from hyops_gitops.adapters.ssh.signing import SshVerifier
from hyops_gitops.adapters.yaml.edit import add_scalar
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.apply.opening import merged_commit
from hyops_gitops.apply.propose import PlanBase, propose
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.people import MergedCommit
from hyops_gitops.core.ports import Signer
from hyops_gitops.core.server_report import RecordedAnswer, ServerReport
from hyops_gitops.core.tree import manifest_sha256
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.admin_entries import Gap, Genesis, MissingEntries, TrustChange
from hyops_gitops.log.branch import Signers, read_signers, trusted_keys
from hyops_gitops.log.entries import AuthorityChange, Body, Intent, Refusal, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Entry, decode, entry_path
from hyops_gitops.log.log import Log, placed
from hyops_gitops.log.pages import readme, subject
from hyops_gitops.log.parts import AuthorityRef, ContractsRef, Lease, RecordedRefusal, TrustedKey, ZoneDigests
from hyops_gitops.log.pinned_heads import SeenHead, check_seen
from hyops_gitops.log.verify import Reading, read_log
from hyops_gitops.log.writer import Author, EntryWriter, SigningKey
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Change, Drift, plan_digest
from hyops_gitops.plan.state import after_changes
from hyops_gitops.validate.validation import Validation, validate_tree
from tests.support.clone import CLOSED, run, write_key
from tests.support.repository import ROOT
from tests.support.signing import signer_of
from tests.support.world import World

SCRIPT = ROOT / "script" / "audit.sh"
ZONE = "tamper.internal"
Files = dict[str, bytes]
START = datetime(2026, 3, 1, 8, tzinfo=UTC)
LINES = (  # of allowed_signers: principal, namespaces
    ("applier@tests", "hyops-gitops"),
    ("other@tests", "hyops-gitops"),
    ("retired@tests", "hyops-gitops"),
    ("recovery@tests", "hyops-gitops-trust"),
    ("observer@tests", "observer"),
    ("alice@tests", "hyops-gitops-breakglass"),
    ("bob@tests", "hyops-gitops-breakglass"),
)


@dataclass
class StepClock:
    """A minute later at every look."""

    at: datetime = START

    def now(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class MemoryStore:
    """The branch's tree after each append."""

    trees: list[Files] = field(default_factory=list)

    def append(self, parent: str | None, files: Mapping[str, bytes | None], *_: object) -> str:  # noqa: ARG002
        kept = dict(self.trees[-1]) if self.trees else {}
        for path, content in files.items():
            if content is None:
                kept.pop(path, None)
            else:
                kept[path] = content
        self.trees.append(kept)
        return f"{len(self.trees):040d}"

    def mirror(self, commit: str) -> Sequence[str]:  # noqa: ARG002
        return ()


@dataclass
class Book:
    """A log being written for the contracts of one clone."""

    world: World
    keys: Mapping[str, Path]  # by principal
    tokens: dict[str, Signer] = field(default_factory=dict)  # by principal: keys that are in no file
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: StepClock = field(default_factory=StepClock)
    log: Log | None = None

    @property
    def files(self) -> Files:
        return dict(self.store.trees[-1])

    @property
    def head(self) -> Log:
        assert self.log is not None
        return self.log

    def copy(self, upto: int) -> "Book":
        """The same log as it was after one entry, to be continued otherwise."""
        trees = list(self.store.trees[:upto])
        log = read_files(trees[-1], self.signers.lines, self.genesis).log
        assert log is not None
        clock = StepClock(log.head.envelope.time)
        return Book(self.world, self.keys, self.tokens, MemoryStore(trees), clock, log)

    @property
    def genesis(self) -> str:
        return sha256_hex(self.store.trees[0][entry_path(ZONE, 1)])

    @property
    def signers(self) -> Signers:
        return read_signers({"authority/allowed_signers": self.world.read("authority/allowed_signers").encode()})

    def writer(self, principal: str = "applier@tests", namespace: str = "hyops-gitops") -> EntryWriter:
        signer = self.tokens.get(principal) or signer_of(self.keys[principal])
        return EntryWriter(
            self.store,  # type: ignore[arg-type]  # only what a writer uses
            Author(
                SigningKey(signer, signer.public_key(), principal, namespace),
                self.signers.sha256,
                self.clock,
                "hyops-gitops tests",
                {},
            ),
        )

    def start(self) -> str:
        trusted = trusted_keys(self.signers.lines.lines)
        commit = self.world.git("rev-parse", "HEAD")
        sha256 = self.writer().start(ZONE, "0" * 32, Genesis(commit, trusted), readme(ZONE))
        self.log = read_files(self.files, self.signers.lines, sha256).log
        return sha256

    def add(
        self,
        body: Body,
        principal: str = "applier@tests",
        *,
        observed: Zone | None = None,
        state: ManagedSet | None = None,
        namespace: str = "hyops-gitops",
    ) -> Entry:
        """Append an entry whether or not the log would have it."""
        log = self.head
        writer = self.writer(principal, namespace)
        self.log = _Unchecked.append_any(writer, log, body, observed or log.observed, state or log.state)
        return self.log.head

    def trust(
        self, trust: Mapping[str, str], retire: Mapping[str, str], reason: str, namespace: str = "hyops-gitops"
    ) -> None:
        """Put lines for these keys, by principal, into allowed_signers, and let the log take them up."""
        before = self._authority_files()
        lines = [f'{name} namespaces="{namespace}" {key}\n' for name, key in trust.items()]
        signers = self.world.read("authority/allowed_signers")
        self.world.write("authority/allowed_signers", "".join([signers, *lines]))
        commit = self.world.commit(f"Trust {', '.join(trust)}")
        self.add(AuthorityChange(commit, before, self._authority_files()))
        new, old = (
            tuple(TrustedKey(name, key, (namespace,)) for name, key in keys.items()) for keys in (trust, retire)
        )
        self.add(TrustChange(commit, new, old, (), reason))

    def _authority_files(self) -> tuple[tuple[str, str], ...]:
        files = self.validation().files
        return tuple((path, sha256_hex(data)) for path, data in sorted(files.items()) if path.startswith("authority/"))

    # --- bodies

    def validation(self, commit: str = "HEAD") -> Validation:
        return validate_tree(GitRepository(self.world.root).tree(commit), read_document, check_document)

    def references(self, commit: str = "HEAD") -> tuple[ContractsRef, AuthorityRef, tuple[MergedCommit, ...]]:
        """What an apply of this commit names."""
        history, validation = GitRepository(self.world.root), self.validation(commit)
        full = history.resolve(commit)
        base = self.head.recorded_commit or self.head.genesis.commit
        merged = tuple(map(merged_commit, history.first_parent_commits(base, full)))
        authority = sha256_hex(validation.files[self.world.authority_path])
        return ContractsRef(full, manifest_sha256(validation.files)), AuthorityRef(authority, False), merged

    def intent(self, commit: str = "HEAD", change: Callable[[Change], Change] = lambda one: one) -> Intent:
        """The intent that an apply of this commit would write, its changes passed through `change`."""
        log, validation = self.head, self.validation(commit)
        assert validation.authority is not None
        limits = Limits.of(validation.authority.policy)
        plan = propose(validation, limits, PlanBase(log.state, log.observed), held={}, past=None)
        changes = tuple(map(change, plan.changes))
        expected = replace(plan, changes=changes).expected_zone()
        contracts, authority, merged = self.references(commit)
        return Intent(
            contracts=contracts,
            authority=authority,
            merged=merged,
            before=ZoneDigests.of(log.observed, log.state, 1),
            expected=ZoneDigests.of(expected, after_changes(log.state, changes), None),
            plan_sha256=plan_digest(ZONE, log.observed.digest(), changes),
            changes=changes,
            drift=(),
            held=(),
            overrides=(),
            lease=Lease(120, "boot", 1),
        )

    def intend(self, intent: Intent | None = None, principal: str = "applier@tests") -> Entry:
        return self.add(intent or self.intent(), principal)

    def finish(self, *, recovered: bool = False, lie: bool = False, principal: str = "applier@tests") -> Entry:
        """The result of the open intent: applied and served, or only said to be."""
        intended = self.head.head
        intent = intended.body
        assert isinstance(intent, Intent)
        written = [one for one in intent.changes if one.writes]
        zone = self.head.observed.without(one.key for one in written)
        zone = zone.with_rrsets(one.after for one in written if one.after)
        state = after_changes(self.head.state, intent.changes, placed(intent.holds, intended.seq))
        anchor = Anchor(intended.seq, intended.sha256).rrset(ZONE)
        shown = [*(one.after for one in written if one.after), anchor]
        answers = tuple(
            RecordedAnswer(
                one.name, one.type, "NOERROR", one.ttl, ("10.9.9.9",) if lie and one is not anchor else one.rdata
            )
            for one in shown
        )
        server = ServerReport("primary", "primary", CLOSED, "converged", 5, answers)
        after = ZoneDigests.of(zone, state, intended.seq)
        result = Result(
            intended.seq, intended.sha256, "applied", True, 1, after, "computed", self.clock.at, (server,), (),
            recovered=recovered,
        )  # fmt: skip
        return self.add(result, principal, observed=zone, state=state)

    def apply(self) -> None:
        self.intend()
        self.finish()

    def unchanged(self, principal: str = "applier@tests") -> Entry:
        return self.add(Unchanged(*self.references()), principal)


class _Unchecked(EntryWriter):
    """A writer as a thief would have it: asks nobody whether its key counts."""

    @staticmethod
    def append_any(writer: EntryWriter, log: Log, body: Body, observed: Zone, state: ManagedSet) -> Log:
        bold = _Unchecked(**{name: getattr(writer, name) for name in EntryWriter.__dataclass_fields__})
        return bold.append(log, body, observed, state)

    def require_trust(self, log: Log) -> None:
        pass


def make_keys(directory: Path, *principals: str) -> dict[str, Path]:
    keys = {}
    for principal in principals:
        key = directory / principal
        write_key(key)
        keys[principal] = key
    return keys


def public(key: Path) -> str:
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


def build(directory: Path, *init: str) -> Book:
    """A log with entries of every type but reconcile, for a clone whose contracts it tells truly."""
    world = World.make(directory, ZONE, local=True, init=False, convergence={"timeout_s": 5, "require": ["primary"]})
    if init:
        tracked = {path: world.read(path) for path in world.git("ls-files").splitlines()}
        run("rm", "-rf", world.root)
        run("git", "init", "-q", "-b", "main", *init, world.root)
        for path, text in tracked.items():
            world.write(path, text)
        world.git("config", "user.name", "Tester")
        world.git("config", "user.email", "tester@example.invalid")
    keys = make_keys(directory, *(name for name, _ in LINES), "second@tests", "mallory@tests")
    lines = [f'{name} namespaces="{spaces}" {public(keys[name])}\n' for name, spaces in LINES]
    world.write("authority/allowed_signers", "".join(lines))
    world.contract("api", "10.0.0.7", "10.0.0.8")
    world.commit("Contracts")
    book = Book(world, keys)
    genesis = book.start()
    pinned = add_scalar(world.read(world.authority_path), "evidence", "genesis", f"sha256:{genesis}")
    world.write(world.authority_path, pinned)
    world.commit("Pin the log")
    book.apply()  # 2, 3
    world.contract("api", "10.0.0.7", "10.0.0.8", required=False)
    world.commit("Promise less")
    book.unchanged()  # 4
    _drift(book)  # 5
    world.contract("first", "10.0.0.2")
    world.commit("Move first")
    contracts, authority, merged = book.references()
    stopped = (RecordedRefusal("max-replaces", None, "too many"),)
    book.add(Refusal(contracts, authority, merged, stopped, book.intent().changes, ()))  # 6
    book.apply()  # 7, 8
    second, retired = ({name: public(keys[name])} for name in ("second@tests", "retired@tests"))
    book.trust(second, retired, "rotation")  # 9, 10
    book.unchanged("second@tests")  # 11
    book.add(Gap("the forge lost it", MissingEntries(13, 14), "ab" * 32))  # 12
    book.add(Gap("looked into", acknowledges=12), "second@tests")  # 13
    world.contract("first", "10.0.0.1")
    world.commit("Move first back")
    book.intend()  # 14
    book.finish(recovered=True)  # 15
    return book


def _drift(book: Book) -> None:
    log = book.head
    foreign = RRset.of(f"txt.{ZONE}", "TXT", 60, ['"hello"'])
    now = log.observed.with_rrsets([foreign])
    before, after = ZoneDigests.of(log.observed, log.state, 3), ZoneDigests.of(now, log.state, 4)
    found = Drift(foreign.name, foreign.type, None, foreign, "")
    book.add(ZoneDrift(book.world.git("rev-parse", "HEAD"), before, after, (found,), restored=False), observed=now)


# --- verdicts


def read_files(files: Mapping[str, bytes], signers: object, genesis: str | None) -> Reading:
    return read_log(
        ZONE, "0" * 40, files, signers=signers, genesis=genesis, check_signature=SshVerifier().verify  # type: ignore[arg-type]
    )  # fmt: skip


def codes(files: Files, book: Book, *seen: str, signers: bytes | None = None) -> set[str]:
    """Our verdict on a tree: the codes of its problems."""
    used = book.signers if signers is None else read_signers({"authority/allowed_signers": signers})
    reading = read_files(files, used.lines, book.genesis)
    found = {problem.code for problem in reading.problems}
    if reading.log is not None:
        found |= {problem.code for problem in check_seen(ZONE, reading.log.entries, map(SeenHead.parse, seen))}
    return found


def audit_script(path: Path, signers: Path, *options: str, env: Mapping[str, str] | None = None) -> tuple[bool, str]:
    """The script's verdict, and what it printed."""
    done = subprocess.run(
        ["/bin/bash", str(SCRIPT), str(path), str(signers), *options],
        capture_output=True,
        check=False,
        env=None if env is None else dict(env),
    )
    said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    assert (done.returncode == 0) == said.splitlines()[-1:].__contains__("OK"), said
    return done.returncode == 0, said


def write_tree(files: Mapping[str, bytes], directory: Path) -> Path:
    for path, content in files.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return directory


def commit_trees(
    root: Path,
    trees: Sequence[Mapping[str, bytes]],
    modes: Mapping[str, str] | None = None,
    reword: Callable[[str], str] = lambda message: message,
) -> None:
    """Make the evidence branch of a clone a line of commits with these trees; `reword` changes their messages."""
    stream = [b"reset refs/heads/evidence\n"]
    for number, files in enumerate(trees):
        stream.append(b"commit refs/heads/evidence\ncommitter t <t@example.invalid> %d +0000\n" % (1772352000 + number))
        message = reword(_message(files)).encode()
        stream.append(b"data %d\n%s\ndeleteall\n" % (len(message), message))
        for path, content in files.items():
            mode = (modes or {}).get(path, "100644")
            stream.append(f"M {mode} inline {json.dumps(path)}\ndata {len(content)}\n".encode() + content + b"\n")
    run("git", "-C", root, "fast-import", "--quiet", "--force", stdin=b"".join(stream))


def _message(files: Mapping[str, bytes]) -> str:
    """What the message of the commit with these files should be."""
    try:
        entries = [decode(files[path]) for path in sorted(files) if path.endswith(".json") and path.startswith("log/")]
        return subject(entries[-1], entries) + "\n"
    except InvalidData:
        return "x\n"
