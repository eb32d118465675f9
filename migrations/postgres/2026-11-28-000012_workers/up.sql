-- What a worker can do, for those who look at it from another process.
ALTER TABLE worker ADD COLUMN slots BIGINT NOT NULL DEFAULT 1;
ALTER TABLE worker ADD COLUMN lease_seconds BIGINT NOT NULL DEFAULT 60;
ALTER TABLE worker ADD COLUMN host_parts BIGINT;
ALTER TABLE worker ADD COLUMN org_parts BIGINT;
