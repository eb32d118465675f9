-- The repositories of the items that name them by pattern, as the source's catalogue was when the run
-- started: all workers see the same.
CREATE TABLE run_catalogue (
    run_id BIGINT PRIMARY KEY NOT NULL REFERENCES tasko_run (id) ON DELETE CASCADE,
    -- how many repositories the source listed
    listed BIGINT NOT NULL,
    -- why they couldn't be listed
    error TEXT,
    -- what was left out of the list
    warning TEXT
);

CREATE TABLE run_repository (
    run_id BIGINT NOT NULL REFERENCES run_catalogue (run_id) ON DELETE CASCADE,
    item_id BIGINT NOT NULL,
    repository TEXT NOT NULL,
    PRIMARY KEY (run_id, item_id, repository)
);
