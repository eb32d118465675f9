-- What is worth knowing and stops nothing is counted; what a check of the targets found lost is kept until it is mended.

ALTER TABLE tasko_run ADD COLUMN warnings BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run_part ADD COLUMN warnings BIGINT NOT NULL DEFAULT 0;
-- the chosen platforms that the image doesn't have, in words; empty: it has all
ALTER TABLE synced_tag ADD COLUMN lack TEXT NOT NULL DEFAULT '';
-- when a check found that it isn't at the target as it was left
ALTER TABLE synced_tag ADD COLUMN lost_at TIMESTAMP;
CREATE INDEX synced_tag_lost ON synced_tag (dest_store_id, src_store_id) WHERE lost_at IS NOT NULL;
-- 'verdict': it begins to fail, or works again; 'warnings': it has some that the one before had not
ALTER TABLE notification ADD COLUMN event TEXT NOT NULL DEFAULT 'verdict' CHECK (event IN ('verdict', 'warnings'));
