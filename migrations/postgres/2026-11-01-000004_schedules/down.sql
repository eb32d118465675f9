DROP INDEX tasko_run_end;
DROP TABLE tasko_schedule;
