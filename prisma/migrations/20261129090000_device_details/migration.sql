-- What a device shows to its owner, and whether its first sign-in is still to be told by mail. Columns with constant defaults: nothing is rewritten,
-- and nodes of the version before write rows without them.
ALTER TABLE "known_devices" ADD COLUMN "first_seen_at" TIMESTAMPTZ(3),
ADD COLUMN "user_agent" TEXT NOT NULL DEFAULT '',
ADD COLUMN "address" TEXT NOT NULL DEFAULT '',
ADD COLUMN "notice_due" BOOLEAN NOT NULL DEFAULT false;

-- What follows is not in schema.prisma.

-- the few that are due, for the job that tells
CREATE INDEX "known_devices_notice_due_idx" ON "known_devices"("id") WHERE "notice_due";
