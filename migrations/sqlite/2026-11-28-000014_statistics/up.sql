-- The statistics of an organisation read only its own rows.
CREATE INDEX tasko_run_org_status ON tasko_run (org_id, status);
CREATE INDEX tasko_run_org_end ON tasko_run (org_id, end_time);
