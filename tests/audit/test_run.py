"""The served zone against the log: by DNS, by the API, with servers that lie, lag or say nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from hyops_gitops.audit.report import Notice, Remark, Unknown
from hyops_gitops.audit.run import look_by_api, look_by_dns
from hyops_gitops.core.authority import Authority, ServerAddress
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.log import Log
from tests.support.book import ZONE, Book, build


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    return build(tmp_path_factory.mktemp("log"))


@dataclass
class Served:
    """A server that answers from these RRsets."""

    rrsets: dict[tuple[str, str], RRset]
    silent: bool = False
    asked: list[ServerAddress] = field(default_factory=list)

    @classmethod
    def of(cls, log: Log, anchor: Anchor | None = None) -> "Served":
        last = log.last_applied
        assert last is not None
        marker = (anchor or Anchor(last.intent_entry.seq, last.intent_entry.sha256)).rrset(log.zone)
        return cls({**log.observed.rrsets, marker.key: marker})

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        assert not recursion_desired
        assert timeout_s > 0
        self.asked.append(server)
        return {question: self._answer(question) for question in questions}

    def _answer(self, question: Question) -> Answer:
        if self.silent:
            return Answer("SILENT", False, (), 0)
        found = self.rrsets.get((question.name, question.type))
        return Answer("NOERROR" if found else "NXDOMAIN", True, (found,) if found else (), 1)


@dataclass
class Read:
    """A primary's API that shows these RRsets."""

    shown: tuple[RRset, ...] | None

    def rrsets(self) -> tuple[RRset, ...]:
        if self.shown is None:
            raise OutsideFailure("refused", code="api-unreachable")
        return self.shown


def _authority(book: Book, ownership: str = "shared") -> Authority:
    authority = book.validation().authority
    assert authority is not None
    return replace(authority, policy=replace(authority.policy, zone_ownership=ownership))  # type: ignore[arg-type]


def by_dns(book: Book, served: Served, log: Log | None = None) -> list[Remark]:
    return list(look_by_dns(log or book.head, _authority(book), served))


def by_api(book: Book, shown: Sequence[RRset] | None, ownership: str = "shared") -> list[Remark]:
    reader = Read(None if shown is None else tuple(shown))
    return list(look_by_api(book.head, _authority(book, ownership), reader))  # type: ignore[arg-type]


def only(said: list[Remark]) -> tuple[str, str, bool]:
    (remark,) = said
    what = remark.problem if isinstance(remark, Unknown) else remark
    return (what.code if isinstance(what, Problem) else what.kind), what.message, isinstance(remark, Unknown)


def test_zone_as_the_log_left_it_has_nothing_to_say(book: Book) -> None:
    served = Served.of(book.head)
    assert by_dns(book, served) == []
    assert len(served.asked) == 1
    assert by_api(book, list(served.rrsets.values())) == []


def test_changed_record_is_a_problem(book: Book) -> None:
    served = Served.of(book.head)
    key = (f"first.prod.{ZONE}", "A")
    served.rrsets[key] = RRset.of(*key, 60, ["10.6.6.6"])
    assert only(by_dns(book, served))[::2] == ("live", False)
    assert only(by_api(book, list(served.rrsets.values())))[::2] == ("live", False)
    del served.rrsets[key]
    assert only(by_dns(book, served))[::2] == ("live", False)


def test_silent_server_cannot_conclude(book: Book) -> None:
    assert only(by_dns(book, replace(Served.of(book.head), silent=True)))[::2] == ("live", True)
    assert only(by_api(book, None))[::2] == ("live", True)


def test_anchor_finds_a_log_that_was_cut(book: Book) -> None:
    """The outside head that every server keeps: what was applied after the log's end."""
    short = book.copy(13).head
    served = Served.of(book.head)
    kinds = {(only([one])[0], only([one])[1].endswith("it was cut")) for one in by_dns(book, served, short)}
    assert ("anchor", True) in kinds


def test_anchor_finds_a_rewritten_last_change(book: Book) -> None:
    copy = book.copy(13)
    copy.clock.sleep(600)
    copy.apply()
    said = [only([one]) for one in by_dns(book, Served.of(book.head), copy.head)]
    assert [code for code, message, _ in said if "rewritten" in message] == ["anchor"]


def test_missing_anchor_is_a_problem(book: Book) -> None:
    served = Served.of(book.head)
    del served.rrsets[f"_hyops-gitops.{ZONE}", "TXT"]
    assert only(by_dns(book, served))[0] == "anchor"


def test_altered_or_older_anchor_is_a_problem(book: Book) -> None:
    older = book.head.entries[6]
    assert "not the one applied last" in only(by_dns(book, Served.of(book.head, Anchor(7, older.sha256))))[1]
    served = Served.of(book.head)
    key = (f"_hyops-gitops.{ZONE}", "TXT")
    served.rrsets[key] = RRset.of(*key, 60, ['"something else"'])
    assert "not one that this program writes" in only(by_dns(book, served))[1]


def test_foreign_change_is_a_failure_only_in_a_zone_of_our_own(book: Book) -> None:
    served = Served.of(book.head)
    foreign = RRset.of(f"new.{ZONE}", "TXT", 60, ['"x"'])
    shown = [*served.rrsets.values(), foreign]
    (note,) = by_api(book, shown)
    assert isinstance(note, Notice)
    assert only(by_api(book, shown, "exclusive"))[::2] == ("live", False)


def test_open_intent_may_have_landed_or_not(book: Book) -> None:
    opened = book.copy(14).head
    before, after = Served.of(book.copy(13).head), Served.of(book.head)
    assert by_dns(book, before, opened) == []
    assert by_dns(book, after, opened) == []
