"""`policy.netbox` as it is read from an authority file."""

import json
from ipaddress import ip_network

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import shipped_schemas
from hyops_gitops.validate.netbox_policy import GLOBAL, NetboxPlace, NetboxPolicy, netbox_policy


def policy(text: str) -> NetboxPolicy:
    document, findings = read_document("authority/hyops.internal.yaml", text.encode())
    assert document is not None
    assert findings == ()
    return netbox_policy(document)


def test_without_the_key_the_global_table_and_active_addresses_are_expected() -> None:
    assert policy("zone: hyops.internal\n") == NetboxPolicy()
    assert NetboxPolicy().vrfs == (GLOBAL,)


def test_every_field_is_read() -> None:
    found = policy(
        """\
policy:
  netbox:
    tag: dns-endpoint
    vrfs: [global, Production]
    owner: tenant
    services: required
    statuses: [active, live]
    places:
      - {prefix: 10.12.0.0/16, site: onprem, vrf: Production}
      - {netbox_site: fsn1, environments: [dev]}
      - {tag: cloud, site: gcp}
    findings: {netbox-service: warning}
"""
    )

    assert found == NetboxPolicy(
        tag="dns-endpoint",
        vrfs=(GLOBAL, "Production"),
        owner="tenant",
        services="required",
        statuses=("active", "live"),
        places=(
            NetboxPlace("prefix", "10.12.0.0/16", ip_network("10.12.0.0/16"), "onprem", (), "Production"),
            NetboxPlace("netbox_site", "fsn1", None, None, ("dev",), None),
            NetboxPlace("tag", "cloud", None, "gcp", (), None),
        ),
        findings={"netbox-service": "warning"},
    )


def test_the_schemas_defaults_are_those_of_the_reader() -> None:
    schema = json.loads(shipped_schemas()["schemas/authority.schema.json"])
    properties = schema["properties"]["policy"]["properties"]["netbox"]["properties"]
    default = NetboxPolicy()

    assert {name: given["default"] for name, given in properties.items() if "default" in given} == {
        "vrfs": list(default.vrfs),
        "owner": default.owner,
        "services": default.services,
        "statuses": list(default.statuses),
    }
