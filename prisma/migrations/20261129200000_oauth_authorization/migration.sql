-- CreateTable
CREATE TABLE "oauth_consents" (
    "user_id" UUID NOT NULL,
    "client_id" UUID NOT NULL,
    "scopes" TEXT[],
    "resources" TEXT[],
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "oauth_consents_pkey" PRIMARY KEY ("user_id","client_id")
);

-- CreateTable
CREATE TABLE "oauth_codes" (
    "code_hash" BYTEA NOT NULL,
    "grant_id" UUID NOT NULL,
    "client_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "session_id" UUID NOT NULL,
    "redirect_uri" TEXT NOT NULL,
    "code_challenge" TEXT,
    "nonce" TEXT,
    "scopes" TEXT[],
    "resources" TEXT[],
    "claims" JSONB NOT NULL DEFAULT '{}',
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "consumed_at" TIMESTAMPTZ(3),

    CONSTRAINT "oauth_codes_pkey" PRIMARY KEY ("code_hash")
);

-- CreateTable
CREATE TABLE "oauth_pushed_requests" (
    "uri_hash" BYTEA NOT NULL,
    "client_id" UUID NOT NULL,
    "parameters" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "oauth_pushed_requests_pkey" PRIMARY KEY ("uri_hash")
);

-- CreateIndex
CREATE INDEX "oauth_consents_client_id_idx" ON "oauth_consents"("client_id");

-- CreateIndex
CREATE INDEX "oauth_codes_expires_at_idx" ON "oauth_codes"("expires_at");

-- CreateIndex
CREATE INDEX "oauth_pushed_requests_expires_at_idx" ON "oauth_pushed_requests"("expires_at");

-- What follows is not in schema.prisma.

ALTER TABLE "oauth_consents" ADD CONSTRAINT "oauth_consents_lists_given" CHECK ("scopes" IS NOT NULL AND "resources" IS NOT NULL);
ALTER TABLE "oauth_codes" ADD CONSTRAINT "oauth_codes_lists_given" CHECK ("scopes" IS NOT NULL AND "resources" IS NOT NULL);

-- What hangs on an account goes with it; no foreign keys: neither table is worth a lock on users.
CREATE FUNCTION "oauth_forget_user"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM "oauth_consents" WHERE "user_id" = OLD."id";
    RETURN NULL;
END
$$;
CREATE TRIGGER "users_oauth_forget" AFTER DELETE ON "users" FOR EACH ROW EXECUTE FUNCTION "oauth_forget_user"();
