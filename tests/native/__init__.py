"""Native replication: two PowerDNS that read one database."""
