"""Which authorities are trusted, by whom: a real TLS server, asked as PowerDNS's API, as a forge and as a target."""

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from hyops_gitops.adapters.dns.probes import NetworkProber
from hyops_gitops.adapters.forge.rest import ForgeHttp
from hyops_gitops.adapters.host import tls
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.readiness import Probe
from tests.support.services import Authority, answering

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
Ask = Callable[[int], None]
NOWHERE = SimpleNamespace(cafile=None, capath=None)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable names authorities, and none was read before."""
    for name in (*VARIABLES, "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    tls._made.cache_clear()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    (tmp_path / "other").mkdir()
    return Authority(tmp_path / "other")


def ask_powerdns(port: int, ca_file: str | None = None) -> None:
    PowerDnsHttp(f"https://localhost:{port}", "key", ca_file, 5.0).exchange("GET", "/api/v1/servers", {})


def ask_forge(port: int) -> None:
    ForgeHttp(f"https://localhost:{port}", "token").get("/repos")


def ask_target(port: int) -> None:
    """Raises what its verdict says."""
    probe = Probe("http", "localhost", "127.0.0.1", port, 5, networks=(), https=True)
    report = NetworkProber().probe(probe)
    if report.verdict != "ready":
        raise OutsideFailure(f"{report.verdict}: {report.detail}", code="probe")


each = pytest.mark.parametrize("ask", [ask_powerdns, ask_forge, ask_target])


def hashed(authority: Authority, folder: Path) -> Path:
    """A folder as `update-ca-certificates` fills it."""
    folder.mkdir()
    shutil.copy(authority.file, folder / "ours.pem")
    subprocess.run(["openssl", "rehash", folder], check=True)
    return folder


# --- where authorities are found


@each
@pytest.mark.parametrize("variable", VARIABLES)
def test_an_authority_of_the_machine_is_trusted_by_all(
    ask: Ask, variable: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = hashed(authority, tmp_path / "certs") if variable.endswith("DIR") else authority.file
    with answering(HEAD, tls=authority.server("localhost")) as service:
        with pytest.raises(OutsideFailure, match="comes from a CA that is not trusted here"):
            ask(service.port)
        monkeypatch.setenv(variable, str(store))
        ask(service.port)


@each
def test_a_store_where_the_distribution_keeps_it_is_found_by_a_python_that_was_built_elsewhere(
    ask: Ask, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: NOWHERE)
    monkeypatch.setattr(tls, "_USUAL", ("/nowhere/ca.pem", str(authority.file)))
    with answering(HEAD, tls=authority.server("localhost")) as service:
        ask(service.port)


def test_without_any_store_the_public_authorities_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: NOWHERE)
    monkeypatch.setattr(tls, "_USUAL", ())
    assert len(tls.client_context(code="x").get_ca_certs()) > 50


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_ca_file_is_trusted_alone(
    variable: str, authority: Authority, other: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the machine's authorities nor those that came with requests are added to it."""
    monkeypatch.setenv(variable, str(authority.file))
    loaded: list[object] = []
    real = ssl.SSLContext.load_verify_locations

    def load(self: ssl.SSLContext, cafile: str | None = None, *rest: object, **named: object) -> None:
        loaded.append(cafile or named)
        real(self, cafile, *rest, **named)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    with answering(HEAD, tls=authority.server("localhost")) as service:
        with pytest.raises(OutsideFailure, match="comes from a CA that is not trusted here"):
            ask_powerdns(service.port, str(other.file))
        ask_powerdns(service.port, str(authority.file))
    assert set(map(str, loaded)) == {str(other.file), str(authority.file)}


def test_ssl_cert_file_counts_before_requests_ca_bundle(
    authority: Authority, other: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.file))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with answering(HEAD, tls=authority.server("localhost")) as service:
        ask_forge(service.port)


# --- what is said of a certificate that is not accepted


@each
@pytest.mark.parametrize(
    ("name", "days", "said"),
    [
        ("localhost", -1, "its certificate has expired"),
        ("elsewhere.example", 30, "its certificate is for another name: Hostname mismatch"),
    ],
)
def test_a_certificate_that_is_not_good_is_named_for_what_it_is(
    ask: Ask, name: str, days: int, said: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with (
        answering(HEAD, tls=authority.server(name, days)) as service,
        pytest.raises(OutsideFailure, match=said) as caught,
    ):
        ask(service.port)
    assert service.heard == []
    assert caught.value.code in ("powerdns-tls", "forge-tls", "probe")


@each
def test_a_self_signed_certificate_is_named(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "self.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(file), "-out", str(tmp_path / "cert")]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    file.write_text(file.read_text() + (tmp_path / "cert").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with (
        answering(HEAD, tls=context) as service,
        pytest.raises(OutsideFailure, match="its certificate is self-signed, and not trusted here"),
    ):
        ask(service.port)


@pytest.mark.parametrize("ask", [ask_powerdns, ask_forge])
def test_the_remedy_names_where_to_put_the_authority(
    ask: Ask, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(HEAD, tls=authority.server("localhost")) as service:
        with pytest.raises(OutsideFailure) as caught:
            ask(service.port)
        assert "update-ca-certificates" in caught.value.hint
        assert ("ca_file" if ask is ask_powerdns else "SSL_CERT_FILE") in caught.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")  # which OpenSSL passes over without a word
        with pytest.raises(OutsideFailure) as caught:
            ask(service.port)
        assert "SSL_CERT_FILE names /nowhere/ca.pem, which is not there" in caught.value.hint


@each
@pytest.mark.parametrize("content", [None, "no certificate\n"])
def test_a_bundle_that_cannot_be_read_is_named(
    ask: Ask, content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    why = "No such file or directory" if content is None else "it holds no certificate"
    with (
        answering(HEAD) as service,
        pytest.raises(OutsideFailure, match=f"cannot read REQUESTS_CA_BUNDLE={bundle}: {why}"),
    ):
        ask(service.port)


@pytest.mark.parametrize("ask", [ask_powerdns, ask_forge])
def test_what_speaks_no_tls_is_said_to_be_http(ask: Ask) -> None:
    with (
        answering("HTTP/1.1 400 Bad Request\r\n\r\n") as service,
        pytest.raises(OutsideFailure, match="TLS with") as caught,
    ):
        ask(service.port)
    assert "it may be http" in caught.value.hint


# --- what it costs


def test_nothing_of_tls_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from hyops_gitops.cli.main import execute; execute(['--version']); "
        "print(sorted({'ssl', 'requests', 'urllib3', 'certifi'} & set(sys.modules)))"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(tls.__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_store_is_read_once(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert tls.client_context(code="x") is tls.client_context(code="x")
    assert tls.client_context(str(authority.file), code="x") is not tls.client_context(code="x")
