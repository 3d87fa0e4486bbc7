-- AlterTable
ALTER TABLE "oauth_clients" ADD COLUMN     "document_read_at" TIMESTAMPTZ(3),
ADD COLUMN     "expires_at" TIMESTAMPTZ(3),
ADD COLUMN     "registration_token_hash" BYTEA;

-- CreateIndex
CREATE INDEX "oauth_clients_expires_at_idx" ON "oauth_clients"("expires_at");
