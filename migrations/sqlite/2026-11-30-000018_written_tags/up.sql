-- What each project wrote: only that may it delete again.

CREATE TABLE written_tag (
    project_id BIGINT NOT NULL REFERENCES sync_project (id) ON DELETE CASCADE,
    -- `host/repository` at the target
    place TEXT NOT NULL,
    tag TEXT NOT NULL,
    -- `host/repository` at the source
    source_repository TEXT NOT NULL,
    source_tag TEXT NOT NULL,
    -- what was written
    digest TEXT NOT NULL,
    written_at TIMESTAMP NOT NULL,
    PRIMARY KEY (project_id, place, tag)
);
-- Whether another project wrote it too.
CREATE INDEX written_tag_place ON written_tag (place, tag);

-- What a run is about to write or delete: kept before the request, and removed with its result, so that
-- the next worker can report what a lost one did.
CREATE TABLE write_intent (
    project_id BIGINT NOT NULL REFERENCES sync_project (id) ON DELETE CASCADE,
    -- `host/repository` at the target
    place TEXT NOT NULL,
    tag TEXT NOT NULL,
    -- its result if that succeeds, as JSON
    expected TEXT NOT NULL,
    kept_at TIMESTAMP NOT NULL,
    PRIMARY KEY (project_id, place, tag)
);

-- Deletes beyond the limit are permitted.
ALTER TABLE tasko_run ADD COLUMN force BOOLEAN NOT NULL DEFAULT FALSE;

-- A tag of the source may be deleted under one name and written under another in the same run: the
-- target is part of a result's key. SQLite can't change a constraint.
CREATE TABLE run_result_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    run_id BIGINT NOT NULL REFERENCES tasko_run (id) ON DELETE CASCADE,
    part_id BIGINT NOT NULL REFERENCES run_part (id) ON DELETE CASCADE,
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    target TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('copy', 'update', 'skip', 'delete', 'blocked')),
    status TEXT NOT NULL CHECK (status IN ('done', 'failed', 'blocked')),
    source_digest TEXT,
    target_digest TEXT,
    previous_digest TEXT,
    bytes BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    error TEXT,
    source TEXT NOT NULL DEFAULT '',
    platforms TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    blobs_copied BIGINT NOT NULL DEFAULT 0,
    blobs_mounted BIGINT NOT NULL DEFAULT 0,
    UNIQUE (part_id, repository, tag, target)
);
INSERT INTO run_result_new
    SELECT id, run_id, part_id, repository, tag, target, action, status, source_digest, target_digest,
        previous_digest, bytes, duration_ms, error, source, platforms, reason, blobs_copied, blobs_mounted
    FROM run_result;
DROP TABLE run_result;
ALTER TABLE run_result_new RENAME TO run_result;
CREATE INDEX run_result_run ON run_result (run_id, id);
CREATE INDEX run_result_status ON run_result (run_id, status, id);
