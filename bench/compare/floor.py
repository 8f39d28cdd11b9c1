"""Read a zone from the API and send one PATCH: the floor. A script: API KEY ZONE FILE, a line `NAME ADDRESS` each."""

import http.client
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit


def main(api: str, key: str, zone: str, file: str) -> None:
    """Read, compare, write what differs."""
    wanted = dict(line.split() for line in Path(file).read_text().splitlines())
    connection = http.client.HTTPConnection(urlsplit(api).netloc)
    path, headers = f"/api/v1/servers/localhost/zones/{zone}.", {"X-API-Key": key}
    connection.request("GET", path, headers=headers)
    seen = {one["name"]: one for one in json.loads(connection.getresponse().read())["rrsets"]}
    changes = [
        {
            "name": f"{name}.",
            "type": "A",
            "ttl": 30,
            "changetype": "REPLACE",
            "records": [{"content": address, "disabled": False}],
        }
        for name, address in wanted.items()
        if f"{name}." not in seen or seen[f"{name}."]["records"][0]["content"] != address
    ]
    connection.request("PATCH", path, json.dumps({"rrsets": changes}), headers)
    reply = connection.getresponse()
    if reply.status != 204:
        sys.exit(f"{reply.status} {reply.read()!r}")
    connection.request("PUT", f"{path}/notify", headers=headers)
    connection.getresponse().read()


if __name__ == "__main__":
    main(*sys.argv[1:])
