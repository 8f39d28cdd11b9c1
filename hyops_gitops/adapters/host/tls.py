"""Certificate authorities that TLS clients trust.

Those of a `ca_file` alone, where one is given. Else the machine's, as curl and Python find them: SSL_CERT_FILE and
SSL_CERT_DIR, then REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, then where OpenSSL was built to look, then where the
distributions keep them (a Python that was built elsewhere looks nowhere). Only a machine without any store gets the
public ones that came with `requests`.
"""

import functools
import os
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from hyops_gitops.core.errors import OutsideFailure

_OPENSSL = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_OTHERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_USUAL = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, OpenBSD
)
_NOT_TRUSTED = {  # numbers of X509_V_ERR_*
    7: "its certificate comes from a CA that is not trusted here: one of that name is, with another key",
    18: "its certificate is self-signed, and not trusted here",
    19: "its certificate comes from a CA that is not trusted here",
    20: "its certificate comes from a CA that is not trusted here",
    21: "its certificate comes from a CA that is not trusted here",
}
_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
_EXPIRIES: dict[str, datetime] = {}  # of the certificates that were accepted, by server


def client_context(ca_file: str | None = None, *, code: str) -> ssl.SSLContext:
    """A context that verifies a server's certificate and name.

    Args:
        ca_file: The authorities, in place of the machine's.
        code: Of the failure.

    Raises:
        OutsideFailure: the file or folder that is named cannot be used.
    """
    key = tuple(os.environ.get(name, "") for name in (*_OPENSSL, *_OTHERS))
    try:
        return _made(ca_file, key)
    except OSError as error:  # ssl.SSLError is one: the file holds no certificate
        named = f"the CA file {ca_file}" if ca_file else f"{_named(os.environ)}"
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        hint = "name a readable file of certificates in PEM form"
        raise OutsideFailure(f"cannot set up TLS: cannot read {named}: {why}", code=code, hint=hint) from None


def note_certificate(server: str, sock: ssl.SSLSocket) -> None:
    """Remember when the certificate of a connection expires."""
    if end := (sock.getpeercert() or {}).get("notAfter"):
        _EXPIRIES[server] = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(end)), UTC)


def take_certificate_expiries() -> Mapping[str, datetime]:
    """The ends of certificates accepted since this was last called."""
    taken = dict(_EXPIRIES)
    _EXPIRIES.clear()
    return taken


def why_not_accepted(error: ssl.SSLCertVerificationError, ca_setting: str = "") -> tuple[str, str]:
    """The problem of a server's certificate, and a remedy.

    Args:
        error: OpenSSL's error.
        ca_setting: The setting that names other authorities, where there is one.
    """
    if error.verify_code in _NOT_TRUSTED:
        place = f"name its file as {ca_setting}" if ca_setting else "name its file in SSL_CERT_FILE"
        missing = [f"{name} names {os.environ[name]}, which is not there" for name in _OPENSSL if _is_gone(name)]
        hint = f"put the CA into the system's store (update-ca-certificates), or {place}"
        return _NOT_TRUSTED[error.verify_code], "; ".join([*missing, hint])
    match error.verify_code:
        case code if code == _EXPIRED:
            return "its certificate has expired", "renew it there, or set the clock of this machine"
        case code if code == _NOT_YET:
            return "its certificate is not valid yet", "set the clock of this machine"
        case code if code in (_OTHER_NAME, _OTHER_ADDRESS):
            return (
                f"its certificate is for another name: {error.verify_message}",
                "use the name that the certificate has, or let it have this one",
            )
        case _:
            return f"its certificate is not accepted: {error.verify_message}", ""


@functools.lru_cache(maxsize=8)
def _made(ca_file: str | None, _environ: tuple[str, ...]) -> ssl.SSLContext:
    """Made once, as a store of 150 authorities takes 20 ms."""
    if ca_file is not None:
        return ssl.create_default_context(cafile=ca_file)
    if any(os.environ.get(name) for name in _OPENSSL):
        return ssl.create_default_context()
    if named := next((os.environ[name] for name in _OTHERS if os.environ.get(name)), None):
        return _of(named)
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).glob("*.0"))):
        return ssl.create_default_context()
    if usual := next((path for path in _USUAL if Path(path).is_file()), None):
        return _of(usual)
    import certifi  # noqa: PLC0415 - for a machine without a store

    return _of(certifi.where())


def _of(path: str) -> ssl.SSLContext:
    if Path(path).is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)


def _named(environ: Mapping[str, str]) -> str:
    return next((f"{name}={environ[name]}" for name in _OTHERS if environ.get(name)), "the system's store")


def _is_gone(variable: str) -> bool:
    named = os.environ.get(variable)
    return bool(named) and not any(Path(path).exists() for path in str(named).split(os.pathsep))


def tls_failure(error: BaseException, ca_setting: str = "") -> tuple[str, str]:
    """The cause of a TLS failure, and a remedy."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return why_not_accepted(cause, ca_setting)
    reason = str(getattr(list(causes(error))[-1], "reason", None) or list(causes(error))[-1])
    no_tls = reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")
    return reason, "what answers there does not speak TLS; it may be http" if no_tls else ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
