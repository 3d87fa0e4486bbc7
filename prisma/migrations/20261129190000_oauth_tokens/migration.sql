-- AlterEnum
ALTER TYPE "session_kind" ADD VALUE 'grant';

-- AlterTable
ALTER TABLE "gate_rules" ADD COLUMN     "audience" TEXT,
ADD COLUMN     "scopes" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- CreateTable
CREATE TABLE "oauth_grants" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "client_id" UUID NOT NULL,
    "parent_session_id" UUID,
    "offline" BOOLEAN NOT NULL,
    "scopes" TEXT[],
    "resources" TEXT[],
    "claims" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "oauth_grants_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "oauth_revoked_tokens" (
    "jti" UUID NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "oauth_revoked_tokens_pkey" PRIMARY KEY ("jti")
);

-- CreateTable
CREATE TABLE "oauth_used" (
    "hash" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "oauth_used_pkey" PRIMARY KEY ("hash")
);

-- CreateIndex
CREATE INDEX "oauth_grants_user_id_client_id_created_at_idx" ON "oauth_grants"("user_id", "client_id", "created_at");

-- CreateIndex
CREATE INDEX "oauth_grants_client_id_idx" ON "oauth_grants"("client_id");

-- CreateIndex
CREATE INDEX "oauth_grants_parent_session_id_idx" ON "oauth_grants"("parent_session_id");

-- CreateIndex
CREATE INDEX "oauth_revoked_tokens_expires_at_idx" ON "oauth_revoked_tokens"("expires_at");

-- CreateIndex
CREATE INDEX "oauth_used_expires_at_idx" ON "oauth_used"("expires_at");

-- AddForeignKey
ALTER TABLE "oauth_grants" ADD CONSTRAINT "oauth_grants_id_fkey" FOREIGN KEY ("id") REFERENCES "sessions"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What follows is not in schema.prisma.

-- A grant has no secret of its own but what its refresh tokens are made from, where it has any. NOT VALID: no scan; no row there is can be one. As text: the
-- new word of the enum may not be used in the transaction that adds it
ALTER TABLE "sessions" DROP CONSTRAINT "sessions_secret_of_kind";
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_secret_of_kind" CHECK (
    CASE WHEN "actor_session_id" IS NOT NULL THEN "kind"::TEXT = 'impersonation' AND "actor_user_id" IS NOT NULL AND "secret_hash" IS NULL AND "refresh_seed" IS NULL
        WHEN "kind" = 'token' THEN "refresh_seed" IS NOT NULL AND "secret_hash" IS NULL
        WHEN "kind" = 'cookie' THEN "secret_hash" IS NOT NULL AND "refresh_seed" IS NULL
        ELSE "kind"::TEXT = 'grant' AND "secret_hash" IS NULL END
) NOT VALID;
ALTER TABLE "gate_rules" ADD CONSTRAINT "gate_rules_scopes_given" CHECK ("scopes" IS NOT NULL) NOT VALID;
ALTER TABLE "oauth_grants" ADD CONSTRAINT "oauth_grants_lists_given" CHECK ("scopes" IS NOT NULL AND "resources" IS NOT NULL);

-- a decision about a grant's token rests on what was consented to, and on whether that very token was revoked
CREATE CONSTRAINT TRIGGER "oauth_grants_revoke" AFTER UPDATE OR DELETE ON "oauth_grants" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('sess', 'id');
CREATE TRIGGER "oauth_grants_revoke_truncate" AFTER TRUNCATE ON "oauth_grants" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();
CREATE CONSTRAINT TRIGGER "oauth_revoked_tokens_revoke" AFTER INSERT ON "oauth_revoked_tokens" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('jti', 'jti');
