-- When what is done.

CREATE TABLE tasko_schedule (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- none: the whole server's
    org_id BIGINT REFERENCES org (id),
    job_label TEXT NOT NULL CHECK (length(job_label) BETWEEN 1 AND 50),
    bunch TEXT NOT NULL,
    -- of what is done for one project
    project_id BIGINT REFERENCES sync_project (id) ON DELETE CASCADE,
    cron_expr TEXT NOT NULL CHECK (length(cron_expr) <= 120),
    -- JSON
    data TEXT NOT NULL,
    active_from TIMESTAMP NOT NULL,
    active_till TIMESTAMP,
    next_fire TIMESTAMP,
    UNIQUE (org_id, job_label)
);
CREATE INDEX tasko_schedule_project ON tasko_schedule (project_id);
CREATE INDEX tasko_schedule_due ON tasko_schedule (next_fire);
CREATE INDEX tasko_run_end ON tasko_run (end_time);
