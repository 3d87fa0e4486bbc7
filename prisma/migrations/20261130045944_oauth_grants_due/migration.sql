-- AlterTable
ALTER TABLE "oauth_grants" ADD COLUMN     "due_at" TIMESTAMPTZ(3) NOT NULL DEFAULT '1970-01-01 00:00:00 +00:00';

-- CreateIndex
CREATE INDEX "oauth_grants_due_at_idx" ON "oauth_grants"("due_at");
