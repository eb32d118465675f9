DROP INDEX tasko_run_org_end;
DROP TABLE tasko_schedule;
