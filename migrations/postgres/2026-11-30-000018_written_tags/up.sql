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
-- target is part of a result's key.
ALTER TABLE run_result
    DROP CONSTRAINT run_result_part_id_repository_tag_key,
    ADD UNIQUE (part_id, repository, tag, target);
