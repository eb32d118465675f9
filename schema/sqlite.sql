-- Generated from migrations/ by a test; REGISTRYSYNC_RECORD=1 writes it anew.

CREATE TABLE org (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    created TIMESTAMP NOT NULL
);

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    org_id BIGINT NOT NULL REFERENCES org (id),
    login TEXT NOT NULL,
    -- upper case: logins are unique regardless of case
    login_uc TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    prefix TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    read_only BOOLEAN NOT NULL,
    created TIMESTAMP NOT NULL,
    last_login TIMESTAMP
);

CREATE INDEX account_org ON account (org_id, login_uc);

CREATE TABLE account_role (
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (account_id, role)
);

CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- SHA-256 of the secret; the secret itself is never stored
    secret_hash BLOB NOT NULL,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created TIMESTAMP NOT NULL,
    expires TIMESTAMP NOT NULL,
    duration_s BIGINT NOT NULL,
    address TEXT NOT NULL
);

CREATE INDEX session_account ON session (account_id);

CREATE INDEX session_expires ON session (expires);

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

CREATE UNIQUE INDEX tasko_schedule_server ON tasko_schedule (job_label) WHERE org_id IS NULL;

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
    blobs_mounted BIGINT NOT NULL, warnings BIGINT NOT NULL DEFAULT 0, force BOOLEAN NOT NULL DEFAULT FALSE, plan_id BIGINT,
    -- one run per fire time, whatever the number of nodes
    UNIQUE (schedule_id, fire_time)
);

CREATE INDEX tasko_run_bunch ON tasko_run (bunch, id) WHERE project_id IS NULL;

CREATE INDEX tasko_run_end ON tasko_run (end_time);

CREATE INDEX tasko_run_project ON tasko_run (project_id, id);

CREATE INDEX tasko_run_retry ON tasko_run (retry_of) WHERE retry_of IS NOT NULL;

CREATE INDEX tasko_run_status ON tasko_run (status, id);

CREATE INDEX tasko_run_active ON tasko_run (project_id, status);

CREATE UNIQUE INDEX tasko_run_one_running ON tasko_run (project_id) WHERE status = 'RUNNING';

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
    blobs_mounted BIGINT NOT NULL, warnings BIGINT NOT NULL DEFAULT 0,
    UNIQUE (run_id, number)
);

CREATE INDEX run_part_status ON run_part (run_id, status, number);

CREATE INDEX run_part_worker ON run_part (status, worker);

CREATE TABLE worker (
    id TEXT PRIMARY KEY NOT NULL,
    host TEXT NOT NULL,
    directory TEXT NOT NULL,
    started TIMESTAMP NOT NULL,
    heartbeat TIMESTAMP NOT NULL
, slots BIGINT NOT NULL DEFAULT 1, lease_seconds BIGINT NOT NULL DEFAULT 60, host_parts BIGINT, org_parts BIGINT);

CREATE INDEX worker_heartbeat ON worker (heartbeat);

CREATE TABLE run_log (
    run_id BIGINT NOT NULL REFERENCES tasko_run (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    time TIMESTAMP NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('debug', 'info', 'warn', 'error')),
    message TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

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
    verified_at TIMESTAMP NOT NULL, lack TEXT NOT NULL DEFAULT '', lost_at TIMESTAMP,
    PRIMARY KEY (src_store_id, dest_store_id, repository, tag, target_repository, target_tag)
);

CREATE INDEX synced_tag_dest_store ON synced_tag (dest_store_id);

CREATE TABLE audit_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- NULL: a login with an unknown name
    org_id BIGINT,
    time TIMESTAMP NOT NULL,
    login TEXT NOT NULL,
    address TEXT NOT NULL,
    method TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL
);

CREATE INDEX audit_event_org ON audit_event (org_id, id);

CREATE TABLE notification (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    run_id BIGINT NOT NULL REFERENCES tasko_run (id) ON DELETE CASCADE,
    channel TEXT NOT NULL CHECK (channel IN ('webhook', 'mail')),
    created TIMESTAMP NOT NULL,
    -- attempts so far
    attempt BIGINT NOT NULL,
    next_try TIMESTAMP NOT NULL, event TEXT NOT NULL DEFAULT 'verdict' CHECK (event IN ('verdict', 'warnings')),
    UNIQUE (run_id, channel)
);

CREATE INDEX notification_due ON notification (next_try);

CREATE INDEX synced_tag_lost ON synced_tag (dest_store_id, src_store_id) WHERE lost_at IS NOT NULL;

CREATE INDEX tasko_run_org_status ON tasko_run (org_id, status);

CREATE INDEX tasko_run_org_end ON tasko_run (org_id, end_time);

CREATE TABLE login_failure (
    subject TEXT PRIMARY KEY NOT NULL,
    failures BIGINT NOT NULL,
    -- time of the first of them
    since TIMESTAMP NOT NULL
);

CREATE INDEX login_failure_since ON login_failure (since);

CREATE TABLE run_asked (
    run_id BIGINT PRIMARY KEY NOT NULL REFERENCES tasko_run (id) ON DELETE CASCADE,
    -- JSON; without credentials
    asked TEXT NOT NULL
);

CREATE TABLE index_lease (
    -- `host/repository:tag`
    place TEXT PRIMARY KEY NOT NULL,
    holder TEXT NOT NULL,
    lease_until TIMESTAMP NOT NULL
);

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

CREATE INDEX written_tag_place ON written_tag (place, tag);

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

CREATE TABLE "run_result" (
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

CREATE INDEX run_result_run ON run_result (run_id, id);

CREATE INDEX run_result_status ON run_result (run_id, status, id);

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

CREATE INDEX kept_action_target ON kept_action (plan_id, target_repository, target_tag);

CREATE INDEX tasko_run_plan ON tasko_run (plan_id) WHERE plan_id IS NOT NULL;

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
