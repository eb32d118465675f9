-- Failed logins within the last minute, by login name and by network: all servers count together.

CREATE TABLE login_failure (
    subject TEXT PRIMARY KEY NOT NULL,
    failures BIGINT NOT NULL,
    -- time of the first of them
    since TIMESTAMP NOT NULL
);
CREATE INDEX login_failure_since ON login_failure (since);
