"""A second machine: a network namespace of the kernel's, joined to this one by a link.

The lab's servers listen on loopback, the only place where an authority file may have plain http. The second machine
has no loopback of its own, and sends over the link what is for it. It has no name either: it ends with the process that
made it and those that entered it, in whatever way they end, and the link with it.
"""

import ctypes
import functools
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of clone(2)
_LIBC = ctypes.CDLL(None, use_errno=True)
_LINKS = 64 * 256  # each with four addresses of 198.18.0.0/16, which is for trials between networks (RFC 2544)


class SecondMachine:
    """Reaches this one, and nothing else, over a link that can be cut."""

    def __init__(self) -> None:
        with ThreadPoolExecutor(1) as thread:  # whose namespace it is, until another thread or process enters it
            self._namespace, self.link, address = thread.submit(_begin).result()
        self.path = f"/proc/{os.getpid()}/fd/{self._namespace}"  # for `enter`
        _bring_up(self.link, address)

    def cut(self) -> None:
        """Part the two: what either sends is lost, or late."""
        _ip("link", "set", self.link, "down")

    def join(self) -> None:
        """Let them reach each other again."""
        _ip("link", "set", self.link, "up")

    def close(self) -> None:
        """End it, and the link at once, even while a process is still there."""
        _ip("link", "del", self.link)
        os.close(self._namespace)


@functools.cache
def can_have_another() -> bool:
    """Whether this user can make one: root, but for root of most containers, with iproute2."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        SecondMachine().close()
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def enter(path: str) -> None:
    """Be on the second machine from here on: this thread, and what it starts."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _succeed(_LIBC.setns(descriptor, _NEW_NETWORK))
    finally:
        os.close(descriptor)


def _begin() -> tuple[int, str, str]:
    """The descriptor of a namespace that this thread has entered, the name of its link, the address of our end."""
    _succeed(_LIBC.unshare(_NEW_NETWORK))
    number = next(filter(_linked, range(_LINKS)))
    here, there = (f"198.18.{number // 64}.{number % 64 * 4 + end}" for end in (1, 2))
    _bring_up(_name(number), there)
    _ip("route", "add", "127.0.0.0/8", "via", here)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY), _name(number), here


def _name(number: int) -> str:
    return f"campaign{number}"


def _linked(number: int) -> bool:
    """Make the link of this number, whose other end is where this process began, unless another has it."""
    name = _name(number)
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", str(os.getpid()))
    except subprocess.CalledProcessError as error:
        if b"exists" not in error.stderr:
            raise
        return False
    return True


def _bring_up(link: str, address: str) -> None:
    """Give this end of a link its address, and let it carry what is for loopback."""
    _ip("addr", "add", f"{address}/30", "dev", link)
    Path(f"/proc/sys/net/ipv4/conf/{link}/route_localnet").write_text("1")
    _ip("link", "set", link, "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})


def _succeed(status: int) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
