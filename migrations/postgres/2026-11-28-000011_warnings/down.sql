DELETE FROM notification WHERE event <> 'verdict';
ALTER TABLE notification DROP COLUMN event;
DROP INDEX synced_tag_lost;
ALTER TABLE synced_tag DROP COLUMN lost_at;
ALTER TABLE synced_tag DROP COLUMN lack;
ALTER TABLE run_part DROP COLUMN warnings;
ALTER TABLE tasko_run DROP COLUMN warnings;
