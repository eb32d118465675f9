-- What an auditor needs of a run besides the digests. Results of an older version have the defaults.

-- `host/repository:tag` at the source
ALTER TABLE run_result ADD COLUMN source TEXT NOT NULL DEFAULT '';
-- the chosen platforms, as text; empty: all
ALTER TABLE run_result ADD COLUMN platforms TEXT NOT NULL DEFAULT '';
-- why it was selected, and why this action
ALTER TABLE run_result ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE run_result ADD COLUMN blobs_copied BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run_result ADD COLUMN blobs_mounted BIGINT NOT NULL DEFAULT 0;

-- The project as it was when the run started. A table of its own: runs are listed often, this is read once.
CREATE TABLE run_asked (
    run_id BIGINT PRIMARY KEY NOT NULL REFERENCES tasko_run (id) ON DELETE CASCADE,
    -- JSON; without credentials
    asked TEXT NOT NULL
);
