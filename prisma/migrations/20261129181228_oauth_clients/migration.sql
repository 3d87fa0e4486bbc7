-- CreateEnum
CREATE TYPE "oauth_client_kind" AS ENUM ('web', 'native', 'service', 'resource');

-- CreateTable
CREATE TABLE "oauth_clients" (
    "id" UUID NOT NULL,
    "client_id" TEXT NOT NULL,
    "kind" "oauth_client_kind" NOT NULL,
    "name" TEXT NOT NULL,
    "auth_method" TEXT NOT NULL,
    "grant_types" TEXT[],
    "redirect_uris" TEXT[],
    "post_logout_redirect_uris" TEXT[],
    "backchannel_logout_uri" TEXT,
    "scopes" TEXT[],
    "resources" TEXT[],
    "first_party" BOOLEAN NOT NULL,
    "require_pkce" BOOLEAN NOT NULL,
    "enabled" BOOLEAN NOT NULL,
    "jwks" JSONB,
    "jwks_uri" TEXT,
    "id_token_algorithm" TEXT NOT NULL,
    "default_max_age" INTEGER,
    "client_uri" TEXT,
    "policy_uri" TEXT,
    "tos_uri" TEXT,
    "registration" TEXT NOT NULL,
    "issued_by" UUID,
    "issued_via" TEXT,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "oauth_clients_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "oauth_client_secrets" (
    "id" UUID NOT NULL,
    "client_id" UUID NOT NULL,
    "secret_hash" BYTEA NOT NULL,
    "start" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "oauth_client_secrets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "oauth_resources" (
    "id" UUID NOT NULL,
    "identifier" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "scopes" JSONB NOT NULL,
    "token_seconds" INTEGER NOT NULL,
    "algorithm" TEXT NOT NULL,
    "open_to_all" BOOLEAN NOT NULL,
    "issued_by" UUID,
    "issued_via" TEXT,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "oauth_resources_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "oauth_clients_client_id_key" ON "oauth_clients"("client_id");

-- CreateIndex
CREATE INDEX "oauth_clients_created_at_id_idx" ON "oauth_clients"("created_at", "id");

-- CreateIndex
CREATE INDEX "oauth_client_secrets_client_id_created_at_idx" ON "oauth_client_secrets"("client_id", "created_at");

-- CreateIndex
CREATE INDEX "oauth_client_secrets_expires_at_idx" ON "oauth_client_secrets"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "oauth_resources_identifier_key" ON "oauth_resources"("identifier");

-- CreateIndex
CREATE INDEX "oauth_resources_created_at_id_idx" ON "oauth_resources"("created_at", "id");

-- AddForeignKey
ALTER TABLE "oauth_client_secrets" ADD CONSTRAINT "oauth_client_secrets_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "oauth_clients"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What follows is not in schema.prisma.

ALTER TABLE "oauth_clients" ADD CONSTRAINT "oauth_clients_lists_given" CHECK ("grant_types" IS NOT NULL AND "redirect_uris" IS NOT NULL AND "post_logout_redirect_uris" IS NOT NULL
    AND "scopes" IS NOT NULL AND "resources" IS NOT NULL);

-- Decisions about tokens rest on what a client may ask for, and on what a resource's scopes are worth.
CREATE CONSTRAINT TRIGGER "oauth_clients_revoke_update" AFTER UPDATE ON "oauth_clients" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."version" IS DISTINCT FROM NEW."version" OR OLD."enabled" IS DISTINCT FROM NEW."enabled" OR OLD."scopes" IS DISTINCT FROM NEW."scopes"
        OR OLD."resources" IS DISTINCT FROM NEW."resources" OR OLD."id" IS DISTINCT FROM NEW."id")
    EXECUTE FUNCTION "revoke_row"('client', 'id');
CREATE CONSTRAINT TRIGGER "oauth_clients_revoke_delete" AFTER DELETE ON "oauth_clients" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('client', 'id');
CREATE TRIGGER "oauth_clients_revoke_truncate" AFTER TRUNCATE ON "oauth_clients" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();

CREATE CONSTRAINT TRIGGER "oauth_client_secrets_revoke" AFTER INSERT OR UPDATE OR DELETE ON "oauth_client_secrets" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('client', 'client_id');
CREATE TRIGGER "oauth_client_secrets_revoke_truncate" AFTER TRUNCATE ON "oauth_client_secrets" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();

CREATE CONSTRAINT TRIGGER "oauth_resources_revoke" AFTER INSERT OR UPDATE OR DELETE ON "oauth_resources" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('res', 'id');
CREATE TRIGGER "oauth_resources_revoke_truncate" AFTER TRUNCATE ON "oauth_resources" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();
