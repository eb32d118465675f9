-- Image stores, sync projects, schedules, runs and their results.

CREATE TABLE image_store (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    org_id BIGINT NOT NULL REFERENCES org (id),
    label TEXT NOT NULL,
    store_type TEXT NOT NULL,
    uri TEXT NOT NULL,
    options TEXT NOT NULL,
    username TEXT,
    -- the encrypted password
    credential BLOB,
    created TIMESTAMP NOT NULL,
    modified TIMESTAMP NOT NULL,
    UNIQUE (org_id, label)
);

CREATE TABLE sync_project (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    org_id BIGINT NOT NULL REFERENCES org (id),
    label TEXT NOT NULL,
    src_store_id BIGINT NOT NULL REFERENCES image_store (id),
    dest_store_id BIGINT NOT NULL REFERENCES image_store (id),
    enabled BOOLEAN NOT NULL,
    options TEXT NOT NULL,
    version BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    modified TIMESTAMP NOT NULL,
    modified_by TEXT NOT NULL,
    UNIQUE (org_id, label)
);
CREATE INDEX sync_project_src_store ON sync_project (src_store_id);
CREATE INDEX sync_project_dest_store ON sync_project (dest_store_id);

CREATE TABLE sync_item (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES sync_project (id) ON DELETE CASCADE,
    repository TEXT NOT NULL,
    options TEXT NOT NULL
);
CREATE INDEX sync_item_project ON sync_item (project_id, id);

-- The bunches that can be scheduled. Each has one task.
CREATE TABLE tasko_bunch (
    name TEXT PRIMARY KEY NOT NULL,
    description TEXT NOT NULL,
    -- whether organisations schedule it for their own objects; otherwise it belongs to the server
    org_bunch BOOLEAN NOT NULL
);

CREATE TABLE tasko_task (
    name TEXT PRIMARY KEY NOT NULL,
    description TEXT NOT NULL
);

CREATE TABLE tasko_template (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    bunch TEXT NOT NULL REFERENCES tasko_bunch (name),
    task TEXT NOT NULL REFERENCES tasko_task (name),
    ordering BIGINT NOT NULL,
    -- the required status of the previous task; none: any
    start_if TEXT CHECK (start_if IN ('FINISHED', 'FAILED', 'SKIPPED', 'INTERRUPTED')),
    UNIQUE (bunch, ordering)
);

INSERT INTO tasko_bunch (name, description, org_bunch) VALUES
    ('image-registry-sync-bunch', 'Copies the images of one project', TRUE),
    ('session-cleanup-bunch', 'Removes sessions that have expired', FALSE),
    ('run-history-cleanup-bunch', 'Removes old runs with their results and logs', FALSE),
    ('target-verify-bunch', 'Checks that what was copied still is at its target', FALSE);
INSERT INTO tasko_task (name, description) VALUES
    ('image-registry-sync-task', 'Copies the images of one project'),
    ('session-cleanup-task', 'Removes sessions that have expired'),
    ('run-history-cleanup-task', 'Removes old runs with their results and logs'),
    ('target-verify-task', 'Checks that what was copied still is at its target');
INSERT INTO tasko_template (bunch, task, ordering) VALUES
    ('image-registry-sync-bunch', 'image-registry-sync-task', 0),
    ('session-cleanup-bunch', 'session-cleanup-task', 0),
    ('run-history-cleanup-bunch', 'run-history-cleanup-task', 0),
    ('target-verify-bunch', 'target-verify-task', 0);

-- The schedules.
CREATE TABLE tasko_schedule (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- none: it belongs to the server
    org_id BIGINT REFERENCES org (id),
    job_label TEXT NOT NULL CHECK (length(job_label) BETWEEN 1 AND 50),
    bunch TEXT NOT NULL REFERENCES tasko_bunch (name),
    -- set for the schedules and runs of one project
    project_id BIGINT REFERENCES sync_project (id) ON DELETE CASCADE,
    -- empty: one time only
    cron_expr TEXT NOT NULL CHECK (length(cron_expr) <= 120),
    -- JSON
    data TEXT NOT NULL,
    active_from TIMESTAMP NOT NULL,
    -- in the past: it has ended
    active_till TIMESTAMP,
    -- the next fire time by the cron expression
    next_fire TIMESTAMP,
    -- when its run is created: the same, or later by the jitter
    due_time TIMESTAMP,
    -- why it doesn't fire, if the cron expression is invalid
    disabled_reason TEXT,
    UNIQUE (org_id, job_label)
);
CREATE INDEX tasko_schedule_org ON tasko_schedule (org_id, id);
CREATE INDEX tasko_schedule_project ON tasko_schedule (project_id);
CREATE INDEX tasko_schedule_due ON tasko_schedule (due_time);
-- NULLs are distinct in the constraint above
CREATE UNIQUE INDEX tasko_schedule_server ON tasko_schedule (job_label) WHERE org_id IS NULL;

-- the scheduler computes `next_fire`
INSERT INTO tasko_schedule (job_label, bunch, cron_expr, data, active_from) VALUES
    ('session-cleanup-default', 'session-cleanup-bunch', '0 10 * * * ?', '{}', '1970-01-01 00:00:00'),
    ('run-history-cleanup-default', 'run-history-cleanup-bunch', '0 20 3 * * ?', '{}', '1970-01-01 00:00:00'),
    ('target-verify-default', 'target-verify-bunch', '0 40 4 ? * SUN', '{}', '1970-01-01 00:00:00');

CREATE TABLE tasko_run (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- none: requested by a user
    schedule_id BIGINT REFERENCES tasko_schedule (id) ON DELETE SET NULL,
    bunch TEXT NOT NULL REFERENCES tasko_bunch (name),
    task TEXT NOT NULL REFERENCES tasko_task (name),
    -- none: it belongs to the server
    org_id BIGINT REFERENCES org (id),
    -- set for the schedules and runs of one project
    project_id BIGINT REFERENCES sync_project (id) ON DELETE CASCADE,
    -- the project's label when the run was requested; empty without a project
    project_label TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('READY', 'RUNNING', 'FINISHED', 'FAILED', 'SKIPPED', 'INTERRUPTED')),
    trigger_kind TEXT NOT NULL CHECK (trigger_kind IN ('manual', 'schedule', 'retry', 'hook')),
    -- the run whose failed tags this one retries
    retry_of BIGINT REFERENCES tasko_run (id) ON DELETE SET NULL,
    fire_time TIMESTAMP NOT NULL,
    start_time TIMESTAMP,
    end_time TIMESTAMP,
    -- the worker that started it
    worker TEXT,
    -- of housekeeping, which has no parts: when it can be claimed again
    lease_until TIMESTAMP,
    -- the highest fence of its parts
    attempt BIGINT NOT NULL,
    cancel_requested BOOLEAN NOT NULL,
    message TEXT NOT NULL,
    selected BIGINT NOT NULL,
    copied BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    blocked BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    blobs_copied BIGINT NOT NULL,
    blobs_mounted BIGINT NOT NULL,
    -- one run per fire time, whatever the number of nodes
    UNIQUE (schedule_id, fire_time)
);
CREATE INDEX tasko_run_bunch ON tasko_run (bunch, id) WHERE project_id IS NULL;
CREATE INDEX tasko_run_end ON tasko_run (end_time);
CREATE INDEX tasko_run_project ON tasko_run (project_id, id);
CREATE INDEX tasko_run_retry ON tasko_run (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX tasko_run_status ON tasko_run (status, id);
CREATE INDEX tasko_run_active ON tasko_run (project_id, status);
-- at most one run of a project at a time
CREATE UNIQUE INDEX tasko_run_one_running ON tasko_run (project_id) WHERE status = 'RUNNING';

-- The part of a run that one worker executes: all items with the same target repository.
CREATE TABLE run_part (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    run_id BIGINT NOT NULL REFERENCES tasko_run (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    target_repository TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('READY', 'RUNNING', 'FINISHED', 'FAILED', 'INTERRUPTED')),
    worker TEXT,
    lease_until TIMESTAMP,
    -- incremented by each claim; a write with an older fence is refused
    fence BIGINT NOT NULL,
    -- incremented when its worker was lost
    attempt BIGINT NOT NULL,
    message TEXT NOT NULL,
    selected BIGINT NOT NULL,
    copied BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    blocked BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    blobs_copied BIGINT NOT NULL,
    blobs_mounted BIGINT NOT NULL,
    UNIQUE (run_id, number)
);
CREATE INDEX run_part_status ON run_part (run_id, status, number);
CREATE INDEX run_part_worker ON run_part (status, worker);

-- The workers.
CREATE TABLE worker (
    id TEXT PRIMARY KEY NOT NULL,
    host TEXT NOT NULL,
    directory TEXT NOT NULL,
    started TIMESTAMP NOT NULL,
    heartbeat TIMESTAMP NOT NULL
);
CREATE INDEX worker_heartbeat ON worker (heartbeat);

CREATE TABLE run_result (
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
    UNIQUE (part_id, repository, tag)
);
CREATE INDEX run_result_run ON run_result (run_id, id);
CREATE INDEX run_result_status ON run_result (run_id, status, id);

CREATE TABLE run_log (
    run_id BIGINT NOT NULL REFERENCES tasko_run (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    time TIMESTAMP NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('debug', 'info', 'warn', 'error')),
    message TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- The last known state of each tag at the target.
CREATE TABLE synced_tag (
    src_store_id BIGINT NOT NULL REFERENCES image_store (id) ON DELETE CASCADE,
    dest_store_id BIGINT NOT NULL REFERENCES image_store (id) ON DELETE CASCADE,
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    target_repository TEXT NOT NULL,
    target_tag TEXT NOT NULL,
    source_digest TEXT NOT NULL,
    target_digest TEXT NOT NULL,
    -- the chosen platforms, as text; empty: all
    platforms TEXT NOT NULL,
    verified_at TIMESTAMP NOT NULL,
    PRIMARY KEY (src_store_id, dest_store_id, repository, tag, target_repository, target_tag)
);
CREATE INDEX synced_tag_dest_store ON synced_tag (dest_store_id);
