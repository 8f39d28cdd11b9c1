"""The authority file of a repository that publishes and moves."""

AUTHORITY = """\
zone: x.internal
environments: [dev, prod]
failure_domain: onprem
secondaries: []
primary: {api_url: "http://127.0.0.1:1", api_key_env: POWERDNS_API_KEY, site: hetzner}
policy: {target_networks: [10.0.0.0/8]}
evidence: {branch: evidence}
"""
