"""What a test does to containers: cut the transfer network, hang a server."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from hyops_gitops.lab.model import Lab, LabServer


def docker(*words: str) -> str:
    """One call that has to succeed."""
    done = subprocess.run(["docker", *words], capture_output=True, check=False, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout.strip()


@dataclass(frozen=True)
class Containers:
    """The containers of one lab."""

    lab: Lab

    def id_of(self, server: LabServer) -> str:
        """The container of one server."""
        labels = {"project": self.lab.compose, "service": server.name}
        return docker(
            "ps", "-aq", *(f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items())
        )

    @contextlib.contextmanager
    def cut_off(self, server: LabServer) -> Iterator[None]:
        """Without the network that carries transfers; its published ports stay."""
        network, container = f"{self.lab.compose}_xfr", self.id_of(server)
        docker("network", "disconnect", network, container)
        try:
            yield
        finally:
            assert server.transfer is not None
            docker("network", "connect", "--ip", server.transfer.host, network, container)

    @contextlib.contextmanager
    def hung(self, server: LabServer) -> Iterator[None]:
        """Connections are taken, and nothing is ever said."""
        docker("pause", self.id_of(server))
        try:
            yield
        finally:
            docker("unpause", self.id_of(server))
