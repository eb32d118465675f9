-- Who did what. Rows are only ever added, and outlive the account and the organisation that they
-- are about.

CREATE TABLE audit_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- NULL: a login of nobody who is known
    org_id BIGINT,
    time TIMESTAMP NOT NULL,
    login TEXT NOT NULL,
    address TEXT NOT NULL,
    method TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL
);
CREATE INDEX audit_event_org ON audit_event (org_id, id);
