-- The audit trail. Rows are only added, and remain when their account or organisation is deleted.

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
