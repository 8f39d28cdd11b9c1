"""A NetBox that refuses, breaks, lies or sends us elsewhere: a sentence, exit 4, and the token stays with it."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.stories.netbox.conftest import Caller, NetBox, Ran
from tests.support.netbox_answers import Answer, Reply, Request, fronting
from tests.support.services import Authority, free_port

UNKNOWN = f"nbt_{'A' * 12}.{'B' * 40}"
LOGIN = "<!doctype html><title>Sign in</title><form>who are you?</form>"
CRASH = {"error": "relation does not exist", "exception": "ProgrammingError", "netbox_version": "4.7.3"}


def altered(netbox: NetBox, change: Callable[[Request, Answer], Answer]) -> Reply:
    """Its answers, each changed on the way."""
    return lambda request, headers: change(request, netbox.reply(request, headers))


def refusal(ran: Ran, *secrets: str) -> str:
    """What a command says that had to end with 4: a sentence and a hint, no finding, no token, nothing of a bug."""
    assert (ran.code, ran.out) == (4, ""), ran
    sentence, *hints = [line for line in ran.err.splitlines() if not line.startswith(" ")]
    assert len(hints) <= 1, ran.err
    assert "Traceback" not in ran.err
    assert "not recorded" not in ran.err
    assert [secret for secret in secrets if secret in ran.err] == []
    return sentence.lower()


@pytest.mark.parametrize("command", ["check", "suggest"])
@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("stranger", "permission"),
        ("expired", "expired"),
        ("disabled", "disabled"),
        ("elsewhere", "not permitted"),
    ],
)
def test_a_token_that_is_refused(call_small: Caller, command: str, who: str, words: str) -> None:
    assert words in refusal(call_small(command, who=who), call_small.netbox.tokens[who])


@pytest.mark.parametrize("token", [UNKNOWN, "f" * 40])
def test_a_token_that_netbox_does_not_know(call_small: Caller, token: str) -> None:
    assert "token" in refusal(call_small("check", token=token), token)


def test_nothing_listens(call_small: Caller) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    assert url in refusal(call_small("check", url=url))


def test_a_certificate_of_another_authority(call_small: Caller, tmp_path: Path) -> None:
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
    right, wrong = Authority(tmp_path / "right"), Authority(tmp_path / "wrong")
    with fronting(call_small.netbox.reply, call_small.netbox.tokens, right.server("localhost")) as front:
        assert call_small("check", url=front.url, ca=right.file).code == 1
        front.requests.clear()

        assert "certificate" in refusal(call_small("check", url=front.url, ca=wrong.file))
        assert front.requests == []


def _of_all(answer: Answer) -> Callable[[Answer], Answer]:
    return lambda _: answer


def _lists(differences: Mapping[str, object]) -> Callable[[Answer], Answer]:
    def changed(answer: Answer) -> Answer:
        document = answer.document()
        return answer.changed({**document, **differences}) if "results" in document else answer

    return changed


def _without(key: str) -> Callable[[Answer], Answer]:
    return _each(lambda item: {name: value for name, value in item.items() if name != key})


def _with(key: str, value: object) -> Callable[[Answer], Answer]:
    return _each(lambda item: {**item, key: value})


def _each(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Answer], Answer]:
    def changed(answer: Answer) -> Answer:
        document = answer.document()
        if "results" not in document:
            return answer
        return answer.changed({**document, "results": [change(item) for item in document["results"]]})

    return changed


BROKEN: Mapping[str, Callable[[Answer], Answer]] = {
    "a page to sign in": _of_all(Answer.of_html(LOGIN)),
    "a page for what is not there": _of_all(Answer.of_html("<h1>Not Found</h1>", 404)),
    "a crash": _of_all(Answer.of_json(CRASH, 500)),
    "a proxy without a server": _of_all(Answer.of_html("<h1>502 Bad Gateway</h1>", 502)),
    "maintenance": _of_all(Answer.of_html("<h1>Maintenance</h1>", 503)),
    "a proxy that waited too long": _of_all(Answer.of_html("<h1>504</h1>", 504)),
    "too many requests": _of_all(Answer.of_json({"detail": "Request was throttled."}, 429)),
    "nothing": _of_all(Answer(200, {"Content-Type": "application/json"}, b"")),
    "half a document": lambda answer: Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2]),
    "another document": _of_all(Answer.of_json({"hello": "world"})),
    "a list": _of_all(Answer.of_json([])),
    "a word": _of_all(Answer.of_json("results")),
    "results that are no list": _lists({"results": {}}),
    "results that are no objects": _lists({"count": 1, "next": None, "results": ["a"]}),
    "a count that is none": _lists({"count": "many"}),
    "a link that is none": _lists({"next": 7}),
    "brackets without end": _of_all(Answer(200, {"Content-Type": "application/json"}, b"[" * 200_000)),
    "octets that are no text": _of_all(Answer(200, {"Content-Type": "application/json"}, b'{"a": "\xff\xfe"}')),
    "objects without a number": _without("id"),
    "addresses without one": _with("address", None),
    "addresses that are none": _with("address", "10.12.0.999/24"),
    "a status of another form": _with("status", ["active"]),
    "a VRF of another form": _with("vrf", "prod"),
    "a name that is none": _with("dns_name", {"name": "x"}),
    "tags of another form": _with("tags", {"slug": "cloud"}),
}


@pytest.mark.parametrize("what", BROKEN)
def test_an_answer_that_cannot_be_understood(call_small: Caller, what: str) -> None:
    netbox = call_small.netbox
    with netbox.behind(altered(netbox, lambda _, answer: BROKEN[what](answer))) as front:
        said = refusal(call_small("check", url=front.url), netbox.tokens["reader"])

    assert "netbox" in said or front.url in said


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(call_small: Caller, status: int) -> None:
    netbox = call_small.netbox
    with (
        fronting(netbox.reply, netbox.tokens) as other,
        netbox.behind(lambda request, _: Answer(status, {"Location": other.url + request.target}, b"")) as front,
    ):
        assert str(status) in refusal(call_small("check", url=front.url))
        assert other.requests == []


def test_a_link_to_another_host_gets_no_token(call: Caller, found: Ran) -> None:
    netbox = call.netbox

    def elsewhere(_: Request, answer: Answer) -> Answer:
        document = answer.document()
        if isinstance(document, dict) and document.get("next"):
            return answer.changed({**document, "next": document["next"].replace(answer.base, other.url)})
        return answer

    with fronting(netbox.reply, netbox.tokens) as other, netbox.behind(altered(netbox, elsewhere)) as front:
        ran = call("check", "--format", "json", url=front.url)

        assert (ran.code, ran.out) == (1, found.out)
        assert other.requests == []


def test_links_without_end(call: Caller) -> None:
    netbox = call.netbox

    def again(request: Request, answer: Answer) -> Answer:
        document = answer.document()
        if isinstance(document, dict) and "results" in document:
            return answer.changed({**document, "next": f"{answer.base}{request.target}"})
        return answer

    with netbox.behind(altered(netbox, again)) as front:
        refusal(call("check", url=front.url))
        assert len(front.requests) < 50


def test_filters_that_the_server_ignores_change_nothing(call_small: Caller) -> None:
    netbox = call_small.netbox
    paging = {"start", "limit", "offset", "fields", "omit", "brief"}

    def ignorant(request: Request, headers: Mapping[str, str]) -> Answer:
        target = urlsplit(request.target)
        kept = urlencode([(name, value) for name, value in parse_qsl(target.query) if name in paging])
        return netbox.reply(
            Request(request.method, f"{target.path}?{kept}" if kept else target.path, request.who), headers
        )

    with netbox.behind(ignorant) as front:
        ran = call_small("check", "--format", "json", url=front.url)

        assert (ran.code, ran.out) == (1, call_small("check", "--format", "json").out)


def _older(answer: Answer, version: str = "4.5") -> Answer:
    """The same of a release that reads pages by their offset."""
    changed = Answer(answer.status, {**answer.headers, "API-Version": version}, answer.body, answer.base)
    document = changed.document()
    if isinstance(document, dict) and "netbox-version" in document:
        return changed.changed({**document, "netbox-version": f"{version}.0", "netbox-full-version": f"{version}.0"})
    return changed


def test_pages_by_offset_say_the_same(call: Caller, found: Ran) -> None:
    netbox = call.netbox
    with netbox.behind(altered(netbox, lambda _, answer: _older(answer))) as front:
        ran = call("check", "--format", "json", url=front.url)

        assert (ran.code, ran.out) == (1, found.out)


def test_pages_that_change_while_they_are_read(call: Caller) -> None:
    netbox = call.netbox

    def shifting(request: Request, answer: Answer) -> Answer:
        """As if the first address had been deleted after the first page: the second one lacks one, and counts less."""
        answer = _older(answer)
        document = answer.document()
        if "/ip-addresses/" in request.target and isinstance(document, dict) and document.get("previous"):
            return answer.changed({**document, "count": document["count"] - 1, "results": document["results"][1:]})
        return answer

    with netbox.behind(altered(netbox, shifting)) as front:
        assert "chang" in refusal(call("check", url=front.url))


def test_text_from_netbox_commands_no_terminal_and_no_forge(call_small: Caller) -> None:
    netbox = call_small.netbox
    evil = "evil\x1b[2J\n::error::owned\x9b\u202e.example.net"
    with netbox.behind(altered(netbox, lambda _, answer: _with("dns_name", evil)(answer))) as front:
        for form in ("text", "github"):
            ran = call_small("check", "--format", form, url=front.url)

            printed = ran.out + ran.err
            assert ran.code in {1, 4}
            assert [bad for bad in ("\x1b", "\x9b", "\u202e", "\n::error::owned") if bad in printed] == []


def test_a_netbox_that_never_answers(call_small: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "1 s" in refusal(call_small("check", "--timeout", "1", url=url))
