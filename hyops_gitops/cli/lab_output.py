"""A lab as the `lab` commands show it: `hyops-lab/1`, or a line for each process."""

from hyops_gitops.cli.output import echo
from hyops_gitops.lab.model import Lab, LabResolver, LabService
from hyops_gitops.lab.run import ListenerStatus, lab_software, lab_status, listener_status


def echo_lab(lab: Lab) -> None:
    """A line for each server, the resolver and each service."""
    for each in lab_status(lab):
        server = each.server
        process = "container" if lab.compose else f"pid {server.pid}"
        state = process if each.running else "not running"
        served = "zone not served" if each.serial is None else f"serial {each.serial}"
        echo(f"  {server.name:<10}  dns {server.dns!s:<15}  api {server.api_url:<22}  {state}  {served}")
    for one in listener_status(lab):
        match one.listener:
            case LabResolver(name=name, dns=dns):
                echo(f"  {name:<10}  dns {dns!s:<15}  {_state(one)}")
            case LabService(name=name, address=address):
                echo(f"  service {name}  {address}  {_state(one)}")
    if software := lab_software(lab):
        echo(f"  {', '.join(software)}")


def _state(one: ListenerStatus) -> str:
    if one.running:
        return f"pid {one.listener.pid}" if one.answers else f"pid {one.listener.pid}, does not answer"
    return "stopped" if one.as_wanted else "not running"


def lab_document(lab: Lab) -> dict[str, object]:
    """`hyops-lab/1`: each process as it is now."""
    listeners = listener_status(lab)
    return {
        "format": "hyops-lab/1",
        "directory": str(lab.directory),
        "zone": lab.zone,
        "backend": lab.backend,
        "compose": lab.compose,
        "software": list(lab_software(lab)),
        "servers": [
            {
                "name": each.server.name,
                "role": each.server.role,
                "dns": str(each.server.dns),
                "api_url": each.server.api_url,
                "pid": each.server.pid,
                "running": each.running,
                "serial": each.serial,
            }
            for each in lab_status(lab)
        ],
        "resolver": next(
            (
                {"name": one.listener.name, "dns": str(one.listener.dns), **_process(one)}
                for one in listeners
                if isinstance(one.listener, LabResolver)
            ),
            None,
        ),
        "services": [
            {"name": one.listener.name, "address": str(one.listener.address), **_process(one)}
            for one in listeners
            if isinstance(one.listener, LabService)
        ],
    }


def _process(one: ListenerStatus) -> dict[str, object]:
    return {"pid": one.listener.pid, "running": one.running, "answers": one.answers}
