"""One function for each parser of bytes from outside. It raises nothing, whatever the bytes.

What a parser may raise for bad input, its own class, is caught here; every other exception is a fault. Where a parser
has an inverse, or its result has an invariant, that is asserted too.
"""

import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from hyops_gitops.adapters.dns import zone_source
from hyops_gitops.adapters.dns.client import _answer, _Pending
from hyops_gitops.adapters.dns.message import Query, header_of
from hyops_gitops.adapters.dns.records import Unreadable, rrsets_of
from hyops_gitops.adapters.forge.forge import RestForge
from hyops_gitops.adapters.forge.rest import _goes_on, _is_limited, _pause, _Reply
from hyops_gitops.adapters.git.main_line import _commit
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp, Reply
from hyops_gitops.adapters.powerdns.server import read_signing, server_info
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter, PowerDnsZoneKeys
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.core.canonical import canonical_json, sha256_hex
from hyops_gitops.core.declaration import read_trailers
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.findings import Finding, findings_json, findings_text
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.signers import SignerLine, SignerSet, check_append_only, parse_allowed_signers
from hyops_gitops.core.sshsig import SshSignature, armour, join_strings, key_text, parse_signature
from hyops_gitops.core.zone import RRset, Zone, in_words, same_rdata, same_served, soa_serials
from hyops_gitops.log.envelope import decode, encode, entry_path
from hyops_gitops.log.log import README, state_path, zone_path
from hyops_gitops.log.pages import LOG_PAGE, folder_page
from hyops_gitops.log.segment import START_ZONE, entry_file, witness_file
from hyops_gitops.log.verify import read_log
from hyops_gitops.log.verify_segment import read_segment
from hyops_gitops.move.publication import read_publication
from hyops_gitops.recover.bundle import BundleInfo, differences, parse_sums, sums_text
from hyops_gitops.scan.addressbook import ContractFacts, PastRecord, make_book
from hyops_gitops.scan.search import FileSearch, Search, read_ignores
from hyops_gitops.validate.formats import findings_annotations
from tests.fuzz.inventory import findings_of
from tests.fuzz.one_file import authority_findings, contract_findings

SEGMENT = "5e9a3e475e9a"
NOW = datetime(2026, 11, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Planted:
    """A fault: this text of a module in place of that one."""

    module: str
    old: str
    new: str


@dataclass(frozen=True)
class Target:
    """One parser."""

    name: str
    read: Callable[[bytes], None]
    parsers: tuple[str, ...]  # modules, or `module:function` and `module:Class`, whose lines are counted
    planted: Planted
    guides: tuple[str, ...] = ()  # modules whose branches lead an input to the parsers


def _parts(data: bytes, most: int = 24) -> list[bytes]:
    return data.split(b"\0", most)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _use(rrsets: Sequence[RRset]) -> None:
    """RRsets can be compared, shown and written."""
    for rrset in rrsets:
        assert same_served(rrset, replace(rrset, rdata=rrset.rdata[::-1]))
        same_rdata(rrset.type, rrset.rdata, rrset.disabled)
        in_words(rrset)
        soa_serials(rrset)
    Zone.of("z.internal", rrsets).digest()


# --- files of a repository


def _show(findings: tuple[Finding, ...]) -> None:
    """Findings can be shown, in each form, and hold nothing but their lines."""
    text = findings_text(findings)
    assert all(line.isprintable() for line in text.split("\n"))
    for line in findings_annotations(findings).split("\n")[:-1]:
        assert line.startswith(("::error file=", "::warning file=", "::notice::"))
    json.dumps(findings_json(findings, 1)).encode("ascii")


def yaml(data: bytes) -> None:
    """The YAML reader; with the parser written in Python, which takes most of the time, a fourth of the inputs."""
    for pure in (False, True)[: 1 if zlib.crc32(data) % 4 else 2]:
        document, findings = read_document("a.yaml", data, pure=pure)
        _show(findings)
        assert document is not None or findings
        if document is not None:
            assert len(list(document.value_marks)) > 0
            dict(document.key_marks)


def contract(data: bytes) -> None:
    """A contract among others."""
    _show(contract_findings(data))


def authority(data: bytes) -> None:
    """The authority file, and one in its place."""
    for findings in authority_findings(data).values():
        _show(findings)


def signers(data: bytes) -> None:
    """The allowed signers, now and before."""
    before, after = data.partition(b"\0")[::2]
    then, _ = parse_allowed_signers(before, "authority/allowed_signers")
    now, findings = parse_allowed_signers(after, "authority/allowed_signers")
    _show(findings)
    _show(tuple(check_append_only(then, now, "main")))
    for line in now:
        for namespace in ("hyops-evidence", "hyops-breakglass"):
            with suppress(HyopsError):
                SignerSet(now).principal_of(line.key, namespace, NOW)


# --- files of applications


_BOOK = make_book(
    ["hyops.internal"],
    [ContractFacts("postgres.prod.hyops.internal", ("10.12.0.31", "fd00::1"), ("db.prod.hyops.internal",))],
    [PastRecord("postgres.prod.hyops.internal", "A", ("10.12.0.30",))],
)


def scan(data: bytes) -> None:
    """A file of an application. What is found in it stands where the finding says."""
    file = FileSearch(Search(_BOOK), "a.txt")
    file.feed(data[: len(data) // 2], last=False)
    file.feed(data[len(data) // 2 :], last=True)
    _show(tuple(file.hits))
    lines = data.split(b"\n")
    for hit in file.hits:
        begins = [place for place, octet in enumerate(lines[hit.line - 1]) if octet & 0xC0 != 0x80]
        assert lines[hit.line - 1][begins[hit.column - 1] :].startswith(hit.found.encode())


def scan_ignore(data: bytes) -> None:
    """A `.hyops-scan-ignore`, and paths that it is asked about."""
    content, *paths = _parts(data)
    ignores, hits = read_ignores(content, ".hyops-scan-ignore")
    _show(hits)
    for path in map(_text, paths):
        ignores.covers(path)
    wrong = {hit.line for hit in hits}
    for number, line in enumerate(content.split(b"\n"), 1):
        pattern, mark, _ = _text(line).strip().partition(" # ")
        if mark and number not in wrong and not set(pattern) & set("*?#\t"):
            assert ignores.covers(pattern.rstrip(" ").removeprefix("/"))


# --- the log


def _canonical(data: bytes, before: bytes = b"") -> bytes:
    """The canonical form of JSON, as what is not even that ends each parser at once.

    In it the text "link" leads to the entry before, in place of digests.
    """
    try:
        document = json.loads(data)
        with suppress(TypeError, KeyError):
            prev = document["predicate"]["prev"]
            if prev["entry"] == "link":
                prev |= {"entry": sha256_hex(before), "sig": sha256_hex(_seal(before))}
            intent = document["predicate"]["intent"]
            if intent["sha256"] == "link":
                intent["sha256"] = sha256_hex(before)
        return canonical_json(document)
    except (ValueError, RecursionError, HyopsError):
        return data


def _chained(parts: Iterable[bytes]) -> list[bytes]:
    blobs: list[bytes] = []
    for part in parts:
        blobs.append(_canonical(part, blobs[-1] if blobs else b""))
    return blobs


_KEY = "ssh-ed25519 QUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUdvbGRlbg=="  # of tests/golden
_OTHER = key_text(join_strings(b"ssh-ed25519", bytes(32)))
_SIGNERS = SignerSet(
    tuple(SignerLine(1, name, key, None, None, None, "") for name, key in (("ada", _KEY), ("bob", _OTHER)))
)
_WITNESS, _OTHER_WITNESS = (
    armour(SshSignature(join_strings(b"ssh-ed25519", bytes(32)), "hyops-breakglass", "sha512", text))
    for text in (b"right", b"wrong")
)


def _seal(content: bytes) -> bytes:
    """A signature; some are wrong."""
    return b"" if len(content) % 31 == 0 else b"right"


def _sealed(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    return {f"{path}.sig": _seal(content) for path, content in files.items()}


def _is_signed(_data: bytes, signature: bytes, key: str, _namespace: str) -> bool:
    return (signature, key) in ((b"right", _KEY), (_WITNESS, _OTHER))


def entries(data: bytes) -> None:
    """Entries of a log, by themselves and as a branch."""
    blobs = _chained(_parts(data))
    for blob in blobs:
        with suppress(HyopsError):
            entry = decode(blob)
            again = decode(encode(entry.envelope, entry.body))  # less what a newer version may have added
            assert (again.envelope, again.body) == (entry.envelope, entry.body)
    zone = "golden.internal"
    files = {entry_path(zone, seq): blob for seq, blob in enumerate(blobs, 1)}
    pages = dict.fromkeys((LOG_PAGE, *(folder_page(zone, seq) for seq in range(1, len(files) + 1))), b"page")
    plain = dict.fromkeys((README, zone_path(zone), state_path(zone)), b"")
    read_log(
        zone,
        "0" * 40,
        {**files, **pages, **plain, **_sealed({**files, **pages})},
        signers=_SIGNERS,
        genesis=None,
        check_signature=_is_signed,
    )


def segment(data: bytes) -> None:
    """A segment of break-glass: the zone it starts from, then its entries."""
    start, *parts = _parts(data)
    files = {entry_file(seq): blob for seq, blob in enumerate(_chained(parts), 1)}
    witnesses = {
        witness_file(seq): (b"", _WITNESS, _OTHER_WITNESS)[len(blob) % 4]
        for seq, blob in enumerate(files.values(), 1)
        if len(blob) % 4 < 3
    }
    read_segment(
        "golden.internal",
        SEGMENT,
        {**files, **_sealed(files), **witnesses, START_ZONE: start},
        signers=_SIGNERS,
        check_signature=_is_signed,
        why_not=lambda _, key: "retired" if key == _OTHER and len(data) % 2 else None,
    )


def signature(data: bytes) -> None:
    """A file that ssh-keygen -Y sign writes."""
    with suppress(HyopsError):
        found = parse_signature(data)
        assert armour(found) == data
        assert found.key


def recorded_zone(data: bytes) -> None:
    """The zone and state files of a log."""
    for kind in (Zone, ManagedSet):
        with suppress(HyopsError):
            found = kind.parse("z.internal", data)
            found.digest()
            if isinstance(found, Zone):
                _use(_values(found))
            if found.data == data:  # kept as lines: what they say, written anew, is the same
                assert found.of("z.internal", _values(found)).data == data


def _values(found: Zone | ManagedSet) -> list[Any]:
    return list((found.rrsets if isinstance(found, Zone) else found.entries).values())


def bundle(data: bytes) -> None:
    """What a bundle says about itself, and the sums of its files."""
    sums, info = data.partition(b"\0")[::2]
    with suppress(HyopsError):
        found = parse_sums(sums)
        list(differences(found, dict.fromkeys(found)))
        for path in found:
            assert not Path(path).is_absolute()
            assert ".." not in path.split("/")
    with suppress(HyopsError):
        described = BundleInfo.from_bytes(_canonical(info))
        assert BundleInfo.from_bytes(described.to_bytes()) == described
        sums_text({"a": info})


# --- servers


_INCLUDE = re.compile(rb"\$include", re.IGNORECASE)


class _File:
    """A file by its content."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read_text(self, encoding: str) -> str:
        return self._content.decode(encoding)

    def __str__(self) -> str:
        return "FILE"


def master_file(data: bytes) -> None:
    """A zone's master file. It includes no other here."""
    with suppress(HyopsError):
        _use(zone_source.read_master_file(cast("Path", _File(_INCLUDE.sub(b";", data))), "z"))


def _replies(data: bytes) -> Iterator[Reply]:
    """Replies in their order, around; each is a status, the text of some headers and a body."""
    for part in itertools.cycle(_parts(data)):
        header, _, body = part[1:].partition(b"\n")
        text = header.decode("latin-1")
        status = (200, 204, 301, 400, 401, 404, 422, 500, 502)[part[0] % 9] if part else 200
        yield Reply(status, {"date": text, "location": text, "x-pdns-new-serial": text}, body)


def api(data: bytes) -> None:
    """The JSON of PowerDNS's API."""
    url, zone, record = "http://127.0.0.1:1", "z.internal", RRset.of("a.z.internal", "TXT", 60, [r'"a\\b"'])
    http = PowerDnsHttp(url, "key", None, 1)
    client = PowerDnsWriter(url, "localhost", zone, "key", sleep=lambda _: None)
    requests: tuple[Callable[[], object], ...] = (
        client.header,
        lambda: _use(client.rrsets()),
        lambda: client.rrsets_at(["a.z.internal"]),
        lambda: client.rrsets_below("a.z.internal"),
        lambda: client.rows_at(["a.z.internal"]),
        lambda: client.patch([], [record]),
        PowerDnsZoneKeys(url, "localhost", zone, "key").usable,
        lambda: read_signing(http, "/api/v1/servers/localhost/zones/z.internal.", rectify=False),
        lambda: server_info(url, "localhost", "key"),
    )
    replies = _replies(data)
    with patch.object(PowerDnsHttp, "exchange", lambda *_: next(replies)):
        for request in requests:
            with suppress(HyopsError):
                request()


class _Stream:
    """Messages of a transfer."""

    def __init__(self, messages: list[bytes]) -> None:
        self._messages = iter(messages)

    def receive(self) -> bytes:
        try:
            return next(self._messages)
        except StopIteration:
            raise ConnectionResetError from None


def _messages(data: bytes) -> Iterator[bytes]:
    while len(data) > 1:
        length = int.from_bytes(data[:2], "big")
        yield data[2 : 2 + length]
        data = data[2 + length :]


def dns(data: bytes) -> None:
    """The answer to a question, and a transfer."""
    question = Query.of(Question("a.prod.z.internal", "A"), 7, 0)
    wire = b"\0\7" + data[2:]
    header = header_of(wire, question)
    if header is not None:
        _use(_answer(header, wire, _Pending(question)).rrsets)
    with suppress(Unreadable, ConnectionResetError, zone_source._Refused):
        stream = _Stream([b"\0\7" + message[2:] for message in _messages(data)])
        _use(rrsets_of(zone_source._received(cast("Any", stream), 7, "z.internal")))


class _Forge:
    """Documents in their order, around; a list stands for pages too."""

    def __init__(self, url: str, documents: list[bytes]) -> None:
        self.url = url
        self._documents = documents

    def get(self, _path: str, **_params: str) -> object | None:
        document = self._documents.pop(0)
        self._documents.append(document)
        try:
            return cast("object | None", json.loads(document))
        except (ValueError, RecursionError):
            return None

    def pages(self, path: str) -> Iterator[object]:
        found = self.get(path)
        yield from found if isinstance(found, list) else [found]


def forge(data: bytes) -> None:
    """The JSON of GitHub and Gitea, and the headers around it."""
    header, *documents = _parts(data)
    text = header.decode("latin-1")
    names = ("Retry-After", "X-RateLimit-Remaining", "X-Total-Count", "Link")
    for status in (200, 403, 429, 500):
        reply = _Reply(status, dict.fromkeys(names, text), None)
        _pause(reply, 1)
        _is_limited(reply)
        _goes_on(reply.headers, 1)
    for url in ("https://api.github.com", "https://git.example.net/api/v1"):
        questions = ((RestForge.pull_request, "c" * 40), (RestForge.author, "c" * 40), (RestForge.members, "acme/a b"))
        for question, about in questions:
            with suppress(HyopsError):
                question(RestForge(cast("Any", _Forge(url, list(documents) or [b""])), "/repos/a/b"), about)


def netbox(data: bytes) -> None:
    """The JSON of NetBox."""
    _show(findings_of(_parts(data)))


# --- publishers and commits


def outputs(data: bytes) -> None:
    """What a module published."""
    with suppress(HyopsError):
        found = read_publication(_text(data), "stdin")
        if found.name:
            found.target(443)


def commit(data: bytes) -> None:
    """A commit's people, its message and the trailers in it."""
    author, committer, subject, approvals, trailers, message = (*map(_text, _parts(data, 5)), *[""] * 6)[:6]
    found = _commit(["c" * 40, "p" * 40, "1700000000", author, committer, subject, approvals, trailers, message])
    reading = read_trailers(found.trailers)
    reading.declaration.masked()
    assert all(untaken.message for untaken in found.untaken)


_CODEC = ("core.codec:Codec.read", "core.codec:_taken", "core.codec:_read_time")
_HINTS = ("describe", "type_hint", "_meant_value", "meant_key", "unknown_key_hint", "key_hint", "length_problem")


TARGETS = {
    target.name: target
    for target in (
        Target(
            "yaml",
            yaml,
            ("adapters.yaml.reader", "adapters.yaml.careful", "adapters.yaml.scalars"),
            Planted("adapters.yaml.careful", "first = self._key_marks[*at, key]", "first = self._key_marks[key]"),
        ),
        Target(
            "contract",
            contract,
            (
                "validate.building:draft_contract",
                "validate.target_rules",
                "validate.name_rules",
                *(f"adapters.yaml.schema:{function}" for function in _HINTS),
            ),
            Planted("adapters.yaml.schema", "    return short[guess] if guess else None", "    return short[guess]"),
            guides=(
                "core.names",
                "validate.known",
                "validate.reference_rules",
            ),
        ),
        Target(
            "authority",
            authority,
            ("validate.authority_rules", "validate.netbox_policy", "validate.building:build_authority"),
            Planted(
                "validate.authority_rules",
                '    zone = fields.text("zone")\n    if zone is None:',
                '    zone = fields.text("zone")\n    if zone == 0:',
            ),
            guides=(
                "core.names",
                "core.context",
            ),
        ),
        Target(
            "signers",
            signers,
            ("core.signers",),
            Planted("core.signers", "match.end() == len(text) or text[match.end()]", "text[match.end()]"),
        ),
        Target(
            "scan",
            scan,
            ("scan.search:Search", "scan.search:FileSearch", "scan.search:_back", "scan.search:_is_apart"),
            Planted(
                "scan.search",
                "len(data[self._counted : place].translate(None, _CONTINUATION))",
                "len(data[self._counted : place])",
            ),
        ),
        Target(
            "scan-ignore",
            scan_ignore,
            tuple(f"scan.search:{name}" for name in ("read_ignores", "_entry", "_problem", "_translated", "_part")),
            Planted(
                "scan.search", 'return (found[1], found[2] or "") if found', "return (found[1], found[2]) if found"
            ),
        ),
        Target(
            "entries",
            entries,
            ("core.canonical", "log.envelope:decode", "log.envelope:_entry", "log.chain:ChainReader", *_CODEC),
            Planted("log.envelope", "if body_type is None:", "if body_type is None and len(kind.type) > 40:"),
            guides=(
                "log.entries",
                "log.verify",
            ),
        ),
        Target(
            "segment",
            segment,
            ("log.verify_segment:_SegmentChainReader",),
            Planted("log.verify_segment", "if own is None or own.id != self.segment:", "if own.id != self.segment:"),
            guides=(
                "core.canonical",
                "core.codec",
                "log.envelope",
                "log.chain",
            ),
        ),
        Target(
            "signature",
            signature,
            ("core.sshsig:parse_signature", "core.sshsig:_parse_blob", "core.sshsig:split_string"),
            Planted("core.sshsig", "except binascii.Error as error:", "except binascii.Incomplete as error:"),
        ),
        Target(
            "recorded-zone",
            recorded_zone,
            (
                "core.zone:Zone.parse",
                "core.zone:parse_line",
                "core.rdata",
                "core.managed:ManagedSet.parse",
                "core.managed:_managed",
            ),
            Planted("core.managed", "not _ENTRY.fullmatch(held):", "not held:"),
            guides=(
                "core.line_map",
                "core.zone",
            ),
        ),
        Target(
            "bundle",
            bundle,
            ("recover.bundle:parse_sums", "recover.bundle:BundleInfo", "recover.bundle:_stays_inside"),
            Planted("recover.bundle", 'match["path"] if match else ""', 'match["path"]'),
            guides=(
                "core.canonical",
                "core.codec",
            ),
        ),
        Target(
            "master-file",
            master_file,
            ("adapters.dns.zone_source:read_master_file", "adapters.dns.zone_source:_rrsets"),
            Planted(
                "adapters.dns.zone_source",
                "except (dns.exception.DNSException, ValueError) as error:",
                "except dns.exception.SyntaxError as error:",
            ),
            guides=(
                "core.zone",
                "core.rdata",
            ),
        ),
        Target(
            "api",
            api,
            ("adapters.powerdns.json_form", "adapters.powerdns.server", "adapters.powerdns.zone_api:_ZoneApi._check"),
            Planted(
                "adapters.powerdns.json_form",
                "    except (ValueError, RecursionError):\n        return",
                "    except RecursionError:\n        return",
            ),
            guides=(
                "core.zone",
                "core.rdata",
            ),
        ),
        Target(
            "dns",
            dns,
            ("adapters.dns.records", "adapters.dns.message", "adapters.dns.zone_source:_received"),
            Planted("adapters.dns.records", "if target >= at or not pointers:", "if target >= at + 1:"),
            guides=(
                "adapters.dns.client",
                "core.zone",
            ),
        ),
        Target(
            "forge",
            forge,
            ("adapters.forge.forge:RestForge", "adapters.forge.forge:_newest_of_each", "adapters.forge.rest:_pause"),
            Planted("adapters.forge.rest", "float(after) if _NUMBER.fullmatch(after)", "float(after) if after"),
            guides=("adapters.forge.rest",),
        ),
        Target(
            "netbox",
            netbox,
            (
                "adapters.netbox_shapes",
                "adapters.netbox:CarefulSession._check",
                "adapters.netbox:NetboxIpam._check_pages",
            ),
            Planted(
                "adapters.netbox_shapes",
                "if not isinstance(value, dict):\n        raise",
                "if value is None:\n        raise",
            ),
            guides=("adapters.netbox", "netbox.check", "netbox.ipam"),
        ),
        Target(
            "outputs",
            outputs,
            ("move.publication",),
            Planted("move.publication", "except (ValueError, RecursionError) as error:", "except _Duplicate as error:"),
        ),
        Target(
            "commit",
            commit,
            ("core.declaration", "adapters.git.main_line:_commit", "adapters.git.main_line:_trailers"),
            Planted("core.declaration", "except (_Wrong, UsageError) as error:", "except _Wrong as error:"),
            guides=("core.text",),
        ),
    )
}
