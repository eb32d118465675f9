-- Plans that are kept for some days, so that exactly what was looked at can be run.

CREATE TABLE kept_plan (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    org_id BIGINT NOT NULL REFERENCES org (id),
    project_id BIGINT NOT NULL REFERENCES sync_project (id) ON DELETE CASCADE,
    -- what the project was when the plan was made: its version, its stores' addresses, and a digest of its items
    project_version BIGINT NOT NULL,
    source_address TEXT NOT NULL,
    target_address TEXT NOT NULL,
    items_digest TEXT NOT NULL,
    created TIMESTAMP NOT NULL,
    -- housekeeping removes it afterwards
    expires TIMESTAMP NOT NULL,
    -- login of the account that made it
    created_by TEXT NOT NULL,
    -- until then it can't be seen
    complete BOOLEAN NOT NULL,
    -- its actions, and how many of them a run does
    actions BIGINT NOT NULL,
    run_actions BIGINT NOT NULL,
    -- JSON
    totals TEXT NOT NULL,
    warnings TEXT NOT NULL
);
CREATE INDEX kept_plan_org ON kept_plan (org_id);
CREATE INDEX kept_plan_project ON kept_plan (project_id, id);
CREATE INDEX kept_plan_expires ON kept_plan (expires);

CREATE TABLE kept_action (
    plan_id BIGINT NOT NULL REFERENCES kept_plan (id) ON DELETE CASCADE,
    -- its place in the plan
    number BIGINT NOT NULL,
    -- as the item names it
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    -- `host/repository:tag` at both ends
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    target_repository TEXT NOT NULL,
    target_tag TEXT NOT NULL,
    -- any word: a later version may know more
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- the chosen platforms, joined by commas; empty: all
    platforms TEXT NOT NULL,
    source_digest TEXT,
    digest TEXT,
    previous_digest TEXT,
    size BIGINT,
    error TEXT,
    PRIMARY KEY (plan_id, number)
);
CREATE INDEX kept_action_place ON kept_action (plan_id, target_repository, number);
-- whether a name is free for an image that is kept
CREATE INDEX kept_action_target ON kept_action (plan_id, target_repository, target_tag);

-- the plan that a run copies; it may be gone by now
ALTER TABLE tasko_run ADD COLUMN plan_id BIGINT;
CREATE INDEX tasko_run_plan ON tasko_run (plan_id) WHERE plan_id IS NOT NULL;
