"""Apply against real PowerDNS, Git and OpenSSH."""
