-- Who is writing an index of referrers: one server at a time for each, since the last writer would
-- remove the others' entries. The row is deleted afterwards.

CREATE TABLE index_lease (
    -- `host/repository:tag`
    place TEXT PRIMARY KEY NOT NULL,
    holder TEXT NOT NULL,
    lease_until TIMESTAMP NOT NULL
);
