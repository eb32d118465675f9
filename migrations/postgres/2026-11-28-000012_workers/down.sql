ALTER TABLE worker DROP COLUMN org_parts;
ALTER TABLE worker DROP COLUMN host_parts;
ALTER TABLE worker DROP COLUMN lease_seconds;
ALTER TABLE worker DROP COLUMN slots;
