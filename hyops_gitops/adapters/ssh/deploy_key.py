"""How git calls ssh where the environment names a deploy key: with that key, and host keys that are pinned."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hyops_gitops.adapters.files.files import at_home, scratch_folder
from hyops_gitops.adapters.ssh.key_file import KeyFile
from hyops_gitops.core.errors import OutsideFailure

DEPLOY_KEY = "HYOPS_DEPLOY_KEY_FILE"
KNOWN_HOSTS = "HYOPS_KNOWN_HOSTS_FILE"
_MOST = 1024 * 1024  # octets of host keys


@contextmanager
def ssh_with_deploy_key(environ: Mapping[str, str]) -> Iterator[str | None]:
    """The command, for as long as it is needed; None where no deploy key is named.

    Raises:
        OutsideFailure: code `deploy-key`: the key or the file of host keys cannot be used; `cannot-write`.
    """
    named, hosts = environ.get(DEPLOY_KEY, ""), environ.get(KNOWN_HOSTS, "")
    if not named:
        yield None
        return
    with scratch_folder() as folder, KeyFile(at_home(Path(named)), DEPLOY_KEY, environ, _bad_key).usable() as key:
        options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"]
        if hosts:
            (folder / "known_hosts").write_bytes(_host_keys(hosts, environ))
            options.append(f'UserKnownHostsFile="{folder / "known_hosts"}"')
        yield shlex.join(["ssh", "-F", "none", "-i", str(key), *(f"-o{option}" for option in options)])


def _host_keys(named: str, environ: Mapping[str, str]) -> bytes:
    """The lines of host keys, with the line ends that ssh reads."""
    file = KeyFile(at_home(Path(named)), KNOWN_HOSTS, environ, _bad_hosts)
    lines = file.content(_MOST).removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n").split(b"\n")
    kept = [line.strip() for line in lines if line.strip()]
    if not kept:
        raise file.refused(
            "it is empty", "`ssh-keyscan HOST` shows a server's keys; compare them with what it publishes"
        )
    return b"\n".join([*kept, b""])


def _bad_key(path: str, reason: str, hint: str) -> OutsideFailure:
    named = f"the deploy key {path!r} cannot be used: {reason}" if path else f"no deploy key: {reason}"
    return OutsideFailure(named, code="deploy-key", hint=hint)


def _bad_hosts(path: str, reason: str, hint: str) -> OutsideFailure:
    named = f"the file of host keys {path!r} cannot be used: {reason}" if path else f"no host keys: {reason}"
    return OutsideFailure(named, code="deploy-key", hint=hint)
