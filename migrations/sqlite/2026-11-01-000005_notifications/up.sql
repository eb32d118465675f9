-- Notifications that haven't been sent yet.

CREATE TABLE notification (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    run_id BIGINT NOT NULL REFERENCES tasko_run (id) ON DELETE CASCADE,
    channel TEXT NOT NULL CHECK (channel IN ('webhook', 'mail')),
    created TIMESTAMP NOT NULL,
    -- attempts so far
    attempt BIGINT NOT NULL,
    next_try TIMESTAMP NOT NULL,
    UNIQUE (run_id, channel)
);
CREATE INDEX notification_due ON notification (next_try);
