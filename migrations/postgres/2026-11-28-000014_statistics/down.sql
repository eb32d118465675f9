DROP INDEX tasko_run_org_end;
DROP INDEX tasko_run_org_status;
