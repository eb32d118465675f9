-- Failed logins within the last minute, by login name and by network: all servers count together.

CREATE TABLE login_failure (
    subject TEXT PRIMARY KEY NOT NULL,
    failures BIGINT NOT NULL,
    -- when the first of them was
    since TIMESTAMP NOT NULL
);
CREATE INDEX login_failure_since ON login_failure (since);
