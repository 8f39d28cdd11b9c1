"""`keys`: which keys count, from which entry on, and what a thief cannot do."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.exchange import PatchReceipt
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.log.admin import open_for_writing
from hyops_gitops.log.admin_entries import Gap, StolenKey, TrustChange
from hyops_gitops.log.parts import TrustedKey
from hyops_gitops.log.trust import TRUST_NAMESPACE, TrustBook
from hyops_gitops.log.workspace import Workspace
from tests.support.clone import PRINCIPAL
from tests.support.keys import Key, MakeKey, list_keys, ok, verifies
from tests.support.metrics import parsed, values
from tests.support.security_key import KINDS, Kind, SoftwareToken
from tests.support.world import World

RECOVERY = f'namespaces="{TRUST_NAMESPACE}"'


def by(world: World, key: Key) -> World:
    """The same clone, used by somebody else."""
    return replace(world, environ={**world.environ, "HYOPS_SIGNING_KEY_FILE": str(key.path)})


def trust(world: World, which: str) -> None:
    ok(world.cli("keys", "trust", which, "--reason", "joined"))


def expire(world: World, key: Key, options: str = "") -> None:
    """Give a key's line a valid-before far ahead, so that old entries still verify."""
    window = 'valid-before="20990101Z"'
    new = key.line(f"{options},{window}" if options else window)
    old = key.line(options)
    text = world.read("authority/allowed_signers")
    assert old in text
    world.write("authority/allowed_signers", text.replace(old, new))
    world.commit("Window")


def own_key(world: World) -> Key:
    return Key(world.key, PRINCIPAL)


def row(world: World, key: Key) -> dict[str, object]:
    rows = ok(world.cli("keys", "list", "--format", "json")).document()["keys"]
    assert isinstance(rows, list)
    return next(one for one in rows if one["fingerprint"] == key.fingerprint)


def test_a_listed_key_counts_only_after_its_trust_entry(world: World, make_key: MakeKey) -> None:
    new = make_key("second@tests")
    commit = list_keys(world, new.line())
    trust_itself = by(world, new).cli("keys", "trust", "second@tests", "--reason", "me")
    trust(world, "second@tests")

    assert (trust_itself.exit, row(world, new)["trusted_by"]) == (3, 2)
    assert row(world, new)["added_by"] == commit
    verifies(world)


def test_a_new_key_can_write_once_it_is_trusted(world: World, make_key: MakeKey) -> None:
    new, third = make_key("second@tests"), make_key("third@tests")
    list_keys(world, new.line(), third.line())
    trust(world, new.fingerprint)
    trust(by(world, new), "third@tests")

    verifies(world)
    assert (row(world, new)["first_use"], row(world, new)["last_use"]) == (3, 3)


def test_the_newer_key_of_a_principal_is_meant(world: World, make_key: MakeKey) -> None:
    new = make_key(PRINCIPAL)
    list_keys(world, new.line())
    trust(world, PRINCIPAL)

    assert row(world, new)["status"] == "counts"


@pytest.mark.parametrize("kind", KINDS)
def test_a_security_key_is_listed_and_trusted(kind: Kind, world: World, tmp_path: Path) -> None:
    token = Key(tmp_path / "token", "token@tests")
    token.path.with_suffix(".pub").write_text(f"{SoftwareToken(kind).public_key()}\n")
    commit = list_keys(world, token.line('namespaces="hyops-gitops"'))
    waiting = row(world, token)["status"]
    trust(world, token.fingerprint)

    found = row(world, token)
    assert (waiting, found["status"], found["added_by"]) == ("waits", "counts", commit)
    assert (found["namespaces"], found["key"]) == (["hyops-gitops"], token.public)
    assert token.fingerprint in ok(world.cli("keys", "list")).out
    verifies(world)


def test_a_key_that_is_not_committed_is_not_found(world: World, make_key: MakeKey) -> None:
    new = make_key("second@tests")
    world.write("authority/allowed_signers", world.read("authority/allowed_signers") + new.line())
    ran = world.cli("keys", "trust", "second@tests", "--reason", "joined")

    assert ran.exit == 2
    assert PRINCIPAL in ran.err


def test_to_retire_a_key_its_line_needs_an_end(world: World, make_key: MakeKey) -> None:
    new = make_key("second@tests")
    list_keys(world, new.line())
    trust(world, "second@tests")
    ran = world.cli("keys", "retire", "second@tests", "--reason", "left", "--format", "json")

    assert ran.exit == 3
    assert ran.document()["code"] == "key-window"
    assert "valid-before=" in str(ran.document()["hint"])


def test_a_retired_key_is_dead_although_its_window_is_open(world: World, make_key: MakeKey) -> None:
    new, third = make_key("second@tests"), make_key("third@tests")
    list_keys(world, new.line(), third.line())
    trust(world, "second@tests")
    expire(world, new)
    ok(world.cli("keys", "retire", "second@tests", "--reason", "left"))
    ran = by(world, new).cli("keys", "trust", "third@tests", "--reason", "mine")

    assert ran.exit == 3
    assert "retired by entry 3" in ran.err
    assert row(world, new)["status"] == "retired"
    assert row(world, new)["ended_by"] == world.git("rev-parse", "HEAD")
    verifies(world)


def test_a_retired_key_is_never_trusted_again(world: World, make_key: MakeKey) -> None:
    new = make_key("second@tests")
    list_keys(world, new.line())
    trust(world, "second@tests")
    expire(world, new)
    ok(world.cli("keys", "retire", "second@tests", "--reason", "left"))
    ran = world.cli("keys", "trust", new.fingerprint, "--reason", "back")

    assert (ran.exit, "stays so" in ran.err) == (3, True)


def test_the_last_key_cannot_be_retired(world: World) -> None:
    expire(world, own_key(world))
    ran = world.cli("keys", "retire", PRINCIPAL, "--reason", "left", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (3, "last-key")


def test_the_last_key_can_be_retired_where_a_recovery_key_counts(world: World, make_key: MakeKey) -> None:
    recovery, new = make_key("recovery@tests"), make_key("second@tests")
    list_keys(world, recovery.line(RECOVERY), new.line())
    trust(world, "recovery@tests")
    expire(world, own_key(world))
    ok(world.cli("keys", "retire", PRINCIPAL, "--reason", "left"))
    trust(by(world, recovery), "second@tests")

    verifies(world)
    assert row(world, new)["status"] == "counts"


def test_a_recovery_key_signs_trust_entries_in_its_own_namespace(world: World, make_key: MakeKey) -> None:
    recovery, new = make_key("recovery@tests"), make_key("second@tests")
    list_keys(world, recovery.line(RECOVERY), new.line())
    trust(world, "recovery@tests")
    trust(by(world, recovery), "second@tests")

    verifies(world)
    assert world.entries()[-1].envelope.principal == "recovery@tests"
    assert row(world, recovery)["recovery"] is True


def test_a_recovery_key_can_do_nothing_else(world: World, make_key: MakeKey) -> None:
    recovery = make_key("recovery@tests")
    list_keys(world, recovery.line(RECOVERY))
    trust(world, "recovery@tests")
    ran = by(world, recovery).cli("evidence", "acknowledge", "1", "--reason", "seen")

    assert ran.exit == 3
    assert "namespace" in ran.err


def test_a_recovery_key_that_does_not_count_yet_trusts_nobody(world: World, make_key: MakeKey) -> None:
    recovery, new = make_key("recovery@tests"), make_key("second@tests")
    list_keys(world, recovery.line(RECOVERY), new.line())
    ran = by(world, recovery).cli("keys", "trust", "second@tests", "--reason", "mine")

    assert ran.exit == 3


def test_pages_signed_in_another_namespace_than_their_entry_are_refused(world: World, make_key: MakeKey) -> None:
    recovery, new = make_key("recovery@tests"), make_key("second@tests")
    list_keys(world, recovery.line(RECOVERY), new.line())
    trust(world, "recovery@tests")
    trust(world, "second@tests")  # signed in the main namespace
    page = world.evidence("LOG.md")
    signed = world.wiring().open_signer().sign(page, TRUST_NAMESPACE)
    world.rewrite_evidence({"LOG.md.sig": signed})
    world.git("fetch", "-q", "origin", "evidence")
    world.git("update-ref", "refs/heads/evidence", "refs/remotes/origin/evidence")
    ran = world.cli("evidence", "verify", "--format", "json")

    assert ran.exit == 1
    assert [one["where"] for one in ran.document()["problems"]] == ["LOG.md.sig"]  # type: ignore[attr-defined]


class TestStolen:
    """A second key signs entries 3 and 4; then its owner says that entry 3 was the last of his."""

    @pytest.fixture
    def thief(self, world: World, make_key: MakeKey) -> Key:
        stolen, third, fourth = make_key("second@tests"), make_key("third@tests"), make_key("fourth@tests")
        list_keys(world, stolen.line(), third.line(), fourth.line())
        trust(world, "second@tests")
        trust(by(world, stolen), "third@tests")
        trust(by(world, stolen), "fourth@tests")
        return stolen

    def declare(self, world: World, key: Key, last: int = 3) -> None:
        arguments = ("--last-good-seq", str(last), "--reason", "laptop lost")
        ok(world.cli("keys", "compromised", key.fingerprint, *arguments))

    def test_later_entries_are_problems_until_acknowledged(self, world: World, thief: Key) -> None:
        self.declare(world, thief)
        before = world.cli("evidence", "verify", "--format", "json")
        unverified = parsed(world.cli("status", "--format", "openmetrics").out)
        ok(world.cli("evidence", "acknowledge", "4", "--reason", "it was me, on the train"))

        assert before.exit == 1
        assert values(unverified, "hyops_log_verified") == [0]
        assert values(unverified, "hyops_unreviewed_exceptions", kind="compromised") == [1]
        assert before.document()["problems"] == [
            {
                "code": "compromised",
                "where": f"log/{world.zone}/0000/000004.json",
                "message": "signed by a key after it was stolen; look into it, then `evidence acknowledge` it",
            }
        ]
        verifies(world)
        done = parsed(world.cli("status", "--format", "openmetrics").out)
        assert values(done, "hyops_log_verified") == [1]
        assert set(values(done, "hyops_unreviewed_exceptions")) == {0}

    def test_it_no_longer_counts(self, world: World, thief: Key) -> None:
        self.declare(world, thief)
        ran = by(world, thief).cli("evidence", "acknowledge", "4", "--reason", "fine")

        assert (ran.exit, row(world, thief)["status"]) == (3, "compromised")

    def test_a_key_cannot_declare_itself(self, world: World, thief: Key) -> None:
        arguments = ("--last-good-seq", "3", "--reason", "x")
        ran = by(world, thief).cli("keys", "compromised", thief.fingerprint, *arguments)

        assert ran.exit == 3

    def test_an_entry_that_is_not_in_doubt_needs_no_acknowledgement(self, world: World, thief: Key) -> None:
        self.declare(world, thief)
        ran = world.cli("evidence", "acknowledge", "3", "--reason", "x", "--format", "json")

        assert (ran.exit, ran.document()["code"]) == (1, "nothing-to-acknowledge")
        assert str(ran.document()["hint"]).endswith("4")

    def test_an_entry_after_the_end_of_the_log_is_no_last_good_one(self, world: World, thief: Key) -> None:
        ran = world.cli("keys", "compromised", thief.fingerprint, "--last-good-seq", "9", "--reason", "x")

        assert ran.exit == 2

    def test_the_word_of_the_thief_clears_nothing(self, world: World, thief: Key) -> None:
        """An acknowledgement that he wrote ahead, while the key still counted."""
        world.environ["HYOPS_SIGNING_KEY_FILE"] = str(thief.path)
        opened = open_for_writing(world.wiring(), about_keys=False, tolerate_doubt=False)
        opened.append(Gap("nothing to see", acknowledges=4))
        world.environ["HYOPS_SIGNING_KEY_FILE"] = str(world.key)
        self.declare(world, thief)
        ran = world.cli("evidence", "verify", "--format", "json")

        problems = ran.document()["problems"]
        assert [one["where"][-7:] for one in problems] == ["04.json", "05.json"]  # type: ignore[attr-defined]


def test_a_key_in_doubt_stays_so() -> None:
    book = TrustBook()
    book.accept(5, TrustChange("c", (), (), (StolenKey("k", 3),), "stolen"))
    book.accept(6, TrustChange("c", (), (), (StolenKey("k", 9),), "it was not"))

    assert book.standing("k").last_good_seq == 3


def test_trusting_a_key_again_does_not_widen_it() -> None:
    book = TrustBook()
    book.accept(1, TrustChange("c", (TrustedKey("p", "k", (TRUST_NAMESPACE,)),), (), (), "recovery"))
    book.accept(2, TrustChange("c", (TrustedKey("p", "k", ()),), (), (), "wider"))

    assert book.why_not("p", "k", "hyops-gitops") is not None


class _Dying:
    """A primary before which the applier dies when it is about to send its update."""

    def __init__(self, primary: ZoneWriter) -> None:
        self._primary = primary

    def patch(self, *_: object) -> PatchReceipt:
        raise KeyboardInterrupt

    def __getattr__(self, name: str) -> object:
        return getattr(self._primary, name)


def test_no_key_is_changed_while_an_intent_is_open(served: World, make_key: MakeKey) -> None:
    list_keys(served, make_key("second@tests").line())

    def swap(ports: Workspace) -> Workspace:
        return ports.replaced(open_writer=lambda authority: cast("ZoneWriter", _Dying(ports.open_writer(authority))))

    with pytest.raises(KeyboardInterrupt):
        served.apply(swap=swap)
    ran = served.cli("keys", "trust", "second@tests", "--reason", "joined", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (3, "open-intent")


def test_the_list_in_words(world: World) -> None:
    text = ok(world.cli("keys", "list")).out

    assert own_key(world).fingerprint in text
    assert "counts" in text
    assert "since entry 1" in text


def test_the_list_before_there_is_a_log(tmp_path: Path) -> None:
    fresh = World.make(tmp_path, "fresh.internal", init=False)

    assert row(fresh, own_key(fresh))["status"] == "waits"


def test_a_signer_outside_the_list_is_refused(world: World, make_key: MakeKey) -> None:
    world.environ["HYOPS_SIGNING_KEY_FILE"] = str(make_key("x").path)
    with pytest.raises(Refused) as caught:
        open_for_writing(world.wiring(), about_keys=True, tolerate_doubt=True)

    assert caught.value.guard == "signing-key"
