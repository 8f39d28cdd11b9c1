"""Which server an API key may be sent to."""

from pathlib import Path

import pytest

from hyops_gitops.adapters.host.machine import primary_key, secondary_key
from hyops_gitops.core.authority import ApiEndpoint
from hyops_gitops.core.errors import OutsideFailure, Refused

KEY = "s3cret"
API = ApiEndpoint("https://dns.x.internal:8443", "THE_KEY", "localhost", None)


def test_a_key_goes_where_its_binding_says() -> None:
    for bound in (API.url, f"{API.url}/"):
        assert primary_key(API, {"THE_KEY": KEY, "HYOPS_PRIMARY_URL": bound, "CI": "true"}) == KEY
    assert primary_key(API, {"THE_KEY": KEY}) == KEY  # by hand, without a binding


@pytest.mark.parametrize(
    "bound", ["https://ada:pw@dns.x.internal:8443", "https://other:8443", "http://dns.x.internal:8443"]
)
def test_a_key_goes_nowhere_else_and_no_secret_is_said(bound: str) -> None:
    with pytest.raises(Refused) as caught:
        primary_key(API, {"THE_KEY": KEY, "HYOPS_PRIMARY_URL": bound})
    said = f"{caught.value.message} {caught.value.hint}"
    assert caught.value.code == "primary-url"
    assert not any(secret in said for secret in (KEY, "ada", "pw"))


@pytest.mark.parametrize(
    ("bound", "zone"),
    [
        (f"a.example={API.url} b.example=https://other:8443", "a.example"),
        (f"b.example=https://other:8443,\n a.example={API.url}/", "a.example"),
        (f"{API.url} b.example=https://other:8443", "a.example"),
    ],
)
def test_each_zone_may_have_a_binding_of_its_own(bound: str, zone: str) -> None:
    assert primary_key(API, {"THE_KEY": KEY, "HYOPS_PRIMARY_URL": bound}, zone) == KEY


@pytest.mark.parametrize(
    ("bound", "zone"),
    [
        (f"a.example={API.url} b.example=https://other:8443", "b.example"),
        (f"a.example={API.url}", "c.example"),
        (f"{API.url} https://other:8443", "a.example"),
        (f"{API.url} b.example=https://other:8443", "b.example"),
    ],
    ids=["of another zone", "zone without one", "two for any", "its own counts"],
)
def test_the_key_of_a_zone_goes_to_no_other_zone_s_server(bound: str, zone: str) -> None:
    with pytest.raises(Refused) as caught:
        primary_key(API, {"THE_KEY": KEY, "HYOPS_PRIMARY_URL": bound}, zone)
    assert caught.value.code == "primary-url"


def test_in_ci_a_key_has_a_binding() -> None:
    with pytest.raises(Refused) as caught:
        primary_key(API, {"THE_KEY": KEY, "CI": "1"})
    assert caught.value.code == "primary-url"


def test_without_a_key_its_variable_is_named() -> None:
    with pytest.raises(OutsideFailure, match="THE_KEY is not set"):
        primary_key(API, {"HYOPS_PRIMARY_URL": API.url})


def test_a_key_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    environ = {"THE_KEY_FILE": str(tmp_path / "key"), "HYOPS_PRIMARY_URL": API.url, "HYOPS_SECONDARY_URLS": API.url}
    assert (primary_key(API, environ), secondary_key(API, environ)) == (KEY, KEY)
    assert primary_key(API, {**environ, "THE_KEY": "another"}) == "another"
    assert secondary_key(API, {**environ, "HYOPS_SECONDARY_URLS": "https://a:1"}) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"", "expected one word, got 0"),
        (
            b"-----BEGIN OPENSSH PRIVATE KEY-----\ns3cret\n-----END OPENSSH PRIVATE KEY-----\n",
            "expected one word, got 9",
        ),
        (b"\xff", "it is not text"),
    ],
)
def test_a_file_that_is_no_key_is_not_sent(content: bytes | None, why: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(OutsideFailure) as caught:
        primary_key(API, {"THE_KEY_FILE": str(tmp_path / "key")})
    assert (caught.value.code, caught.value.message.partition("key: ")[2]) == ("powerdns-no-key", why)
    assert KEY not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (API.url, KEY),
        (f"https://a:1, {API.url}/", KEY),
        ("", None),
        ("https://dns.x.internal:844", None),
        ("https://dns.x.internal:84433", None),
        ("https://a:1", None),
    ],
)
def test_a_secondarys_key_goes_to_the_secondaries_that_are_listed(bound: str, expected: str | None) -> None:
    assert secondary_key(API, {"THE_KEY": KEY, "HYOPS_SECONDARY_URLS": bound}) == expected
    assert secondary_key(API, {"HYOPS_SECONDARY_URLS": bound}) is None
