"""Everything outside: git, PowerDNS, DNS, SSH, forges, YAML, files, the host."""
