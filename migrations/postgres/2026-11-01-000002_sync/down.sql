DROP TABLE synced_tag;
DROP TABLE run_log;
DROP TABLE run_result;
DROP TABLE run_part;
DROP TABLE tasko_run;
DROP TABLE sync_item;
DROP TABLE sync_project;
DROP TABLE image_store;
