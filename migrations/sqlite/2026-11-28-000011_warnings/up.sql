-- Counts warnings, and keeps what a check of the targets found missing until a run has repaired it.

ALTER TABLE tasko_run ADD COLUMN warnings BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run_part ADD COLUMN warnings BIGINT NOT NULL DEFAULT 0;
-- the chosen platforms that the image doesn't have, as text; empty: it has all
ALTER TABLE synced_tag ADD COLUMN lack TEXT NOT NULL DEFAULT '';
-- when a check found it missing or changed at the target
ALTER TABLE synced_tag ADD COLUMN lost_at TIMESTAMP;
CREATE INDEX synced_tag_lost ON synced_tag (dest_store_id, src_store_id) WHERE lost_at IS NOT NULL;
-- 'verdict': it starts failing, or has recovered; 'warnings': it has warnings that the previous run hadn't
ALTER TABLE notification ADD COLUMN event TEXT NOT NULL DEFAULT 'verdict' CHECK (event IN ('verdict', 'warnings'));
