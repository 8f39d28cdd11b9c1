"""A part of a long entry is what the whole entry says of one name."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyops_gitops.core.server_report import RecordedAnswer, ServerReport
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.entries import Body, Intent, Result
from hyops_gitops.log.envelope import Entry, EntryList, decode, decode_about, decode_own, encode, pinned
from hyops_gitops.plan.plan import Action, Change
from tests.golden import values
from tests.log.test_pages import ZONE, entry, intent, result

NAMES = [f"{label}.{ZONE}" for label in ("a", "b", "ab")]
_names = st.sampled_from(NAMES)
# Text that would end a list, or begin an object, if it could hold a quote.
_texts = st.lists(
    st.sampled_from(
        ["x", '"', "\\", '},{"action":"', '},{"name":"', '}],"digest":"', '}],"name":"', '"changes":[{"action":']
        + [f'"name":"{name}"' for name in NAMES]
    ),
    max_size=3,
).map("".join)
_rrsets = st.builds(lambda text, ttl: RRset(NAMES[0], "TXT", ttl, (text,)), _texts, st.integers(1, 9))


def _change(name: str, before: RRset | None, after: RRset | None, contract: str) -> Change:
    old, new = (replace(rrset, name=name) if rrset else None for rrset in (before, after))
    return Change(Action.REPLACE, name, "TXT", old, new, contract, cutover=True)


_changes = st.builds(_change, _names, st.none() | _rrsets, st.none() | _rrsets, _texts)
_answers = st.builds(lambda name, text: RecordedAnswer(name, "TXT", "NOERROR", 1, (text,)), _names, _texts)
_servers = st.builds(
    lambda name, answers, lost: ServerReport("resolver", name, "::1", "stale", None, tuple(answers), lost=lost),
    _texts, st.lists(_answers, max_size=4), st.booleans(),
)  # fmt: skip


def _about(body: Body, name: str) -> Body:
    if isinstance(body, Intent):
        return replace(body, changes=tuple(change for change in body.changes if change.name == name))
    assert isinstance(body, Result)
    servers = (
        replace(server, answers=tuple(answer for answer in server.answers if answer.name == name))
        for server in body.servers
    )
    return replace(body, servers=tuple(servers))


@given(st.lists(_changes, max_size=5), st.lists(_servers, max_size=3), st.sampled_from([*NAMES, "", "none"]))
def test_a_part_says_of_a_name_what_the_whole_says(
    changes: list[Change], servers: list[ServerReport], name: str
) -> None:
    for body in (replace(intent(), changes=tuple(changes)), replace(result(), servers=tuple(servers))):
        whole = entry(2, body)
        part = decode_about(encode(whole.envelope, whole.body), name)
        assert part == replace(whole, body=_about(whole.body, name))


@given(st.lists(_changes, max_size=3), st.dictionaries(_texts, _texts, max_size=2), _texts)
def test_pins_are_put_into_the_bytes_as_if_they_were_written_with_them(
    changes: list[Change], files: dict[str, str], path: str
) -> None:
    body = replace(intent(), changes=tuple(changes))
    before = replace(entry(2, body).envelope, files=files)
    after = replace(before, files={**files, path: "0" * 64})
    assert pinned(encode(before, body), before, after) == encode(after, body)


def test_pins_that_stand_twice_are_not_replaced() -> None:
    envelope = entry(2, intent()).envelope
    twice = b'{"files":{},"more":{"files":{}}}\n'
    assert pinned(twice, replace(envelope, files={}), envelope) is None


def test_an_own_entry_reads_as_any_other() -> None:
    made = (values.log, values.damage, values.proof, values.segment)
    for blob in (blob for some in made for blob in some()[0]):
        assert decode_own(blob) == decode(blob)


def test_other_entries_are_decoded_whole() -> None:
    made = (values.log, values.damage, values.proof, values.segment)
    for blob in (blob for some in made for blob in some()[0]):
        whole = decode(blob)
        if whole.type not in ("intent", "result"):
            assert decode_about(blob, "x") == whole


def test_a_long_entry_is_decoded_in_parts_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [_change(f"s{number}.{ZONE}", None, None, "endpoints/prod/s.yaml") for number in range(1000)]
    whole = entry(1, replace(intent(), changes=tuple(many)))
    entries = EntryList([encode(whole.envelope, whole.body)])
    decoded: list[Entry] = []

    def counted(data: bytes) -> Entry:
        decoded.append(decode(data))
        return decoded[-1]

    monkeypatch.setattr("hyops_gitops.log.envelope.decode", counted)
    for number in range(30):
        name = f"s{number}.{ZONE}"
        (found,) = entries.parts_about(name)
        assert isinstance(found.body, Intent)
        assert many[number] in found.body.changes
        assert (found.sha256, found.envelope) == (whole.sha256, whole.envelope)
    assert decoded == [whole]


def test_the_outline_of_a_long_entry_lacks_changes_and_answers_alone() -> None:
    many = tuple(_change(f"s{number}.{ZONE}", None, None, "endpoints/prod/s.yaml") for number in range(1000))
    answers = tuple(RecordedAnswer(change.name, "A", "NOERROR", 30, ("10.0.0.1",)) for change in many)
    servers = (ServerReport("primary", "primary", "::1", "converged", 1, answers),)
    for body in (replace(intent(), changes=many), replace(result(), servers=servers)):
        whole = entry(1, body)
        entries = EntryList([encode(whole.envelope, whole.body)])
        assert entries.outline(1) == replace(whole, body=_about(body, ""))
        assert entries[0] == whole
        assert entries.outline(1) == whole  # once it was decoded whole


def test_the_outline_of_a_short_entry_is_whole() -> None:
    whole = entry(1, intent())
    assert EntryList([encode(whole.envelope, whole.body)]).outline(1) == whole
