-- Noting a use (last_used_at, last_seen_at) changes no indexed column. With room on the row's page PostgreSQL writes no index (a HOT update);
-- without, one use of a key writes each index of its table. Holds for pages written from now on: nothing is rewritten, and no lock keeps anybody out.
ALTER TABLE "api_keys" SET (fillfactor = 85);
ALTER TABLE "sessions" SET (fillfactor = 85);
