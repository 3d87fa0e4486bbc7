-- A sweep that cannot go on is put off, longer each time, so that others go on. Nodes of the version before know nothing of it and try each second, as they did.
ALTER TABLE "key_sweeps" ADD COLUMN "attempts" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN "next_at" TIMESTAMPTZ(3);
