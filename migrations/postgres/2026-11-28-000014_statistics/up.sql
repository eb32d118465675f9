-- Numbers for dashboards read their own organisation only.
CREATE INDEX tasko_run_org_status ON tasko_run (org_id, status);
CREATE INDEX tasko_run_org_end ON tasko_run (org_id, end_time);
