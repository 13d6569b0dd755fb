#!/bin/sh
# Run once, by the image of Postgres, when its volume is empty: the gateway's role, which row-level security binds, and its database.
set -eu
psql -X -v ON_ERROR_STOP=1 -v password="$GATEWAY_DB_PASSWORD" -U "${POSTGRES_USER:-postgres}" -d postgres <<'SQL'
CREATE ROLE ongoingai LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE ongoingai OWNER ongoingai ENCODING 'UTF8' TEMPLATE template0;
SQL
