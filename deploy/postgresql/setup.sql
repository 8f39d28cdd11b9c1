-- PowerDNS's role and database. Run by `setup` as the administrator, once; again it only sets the role's settings anew.
-- The password comes from the environment (PGPASSWORD), never from an argument.
\set ON_ERROR_STOP on
\getenv password PGPASSWORD
SELECT format('CREATE ROLE pdns LOGIN PASSWORD %L', :'password')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pdns') \gexec
-- PowerDNS reads what stands at a name and then writes. At PostgreSQL's default, READ COMMITTED, two updates of one name
-- pass each other: one record twice, a CNAME beside other records, two SOA. From here on the second one fails with 500.
ALTER ROLE pdns SET default_transaction_isolation = 'repeatable read';
-- An update that waits for another's lock ends well before an apply gives its reply up for lost (30 s).
ALTER ROLE pdns SET lock_timeout = '10s';
SELECT 'CREATE DATABASE pdns OWNER pdns'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'pdns') \gexec
