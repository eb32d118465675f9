-- A worker's capacity, for other processes to show.
ALTER TABLE worker ADD COLUMN slots BIGINT NOT NULL DEFAULT 1;
ALTER TABLE worker ADD COLUMN lease_seconds BIGINT NOT NULL DEFAULT 60;
ALTER TABLE worker ADD COLUMN host_parts BIGINT;
ALTER TABLE worker ADD COLUMN org_parts BIGINT;
