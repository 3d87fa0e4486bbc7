-- Accounts that nobody has given an address yet. A constant default: nothing is rewritten.
ALTER TABLE "users" ADD COLUMN "anonymous" BOOLEAN NOT NULL DEFAULT false;

-- nobody signs in to one but by the session that opened it, and no machine is one. NOT VALID: no scan; no row there is is one
ALTER TABLE "users" ADD CONSTRAINT "users_anonymous_has_no_password" CHECK (NOT "anonymous" OR ("kind" = 'person' AND "password_hash" IS NULL)) NOT VALID;

-- What follows is not in schema.prisma.

-- how many there are, and which have been there the longest
CREATE INDEX "users_anonymous_created_at_idx" ON "users"("created_at") WHERE "anonymous";
