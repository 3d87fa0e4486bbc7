-- How a session was signed in to, and what an account proves itself with beside its password. New columns are empty or have constant defaults,
-- which PostgreSQL adds without rewriting the table; the version before, which knows none of this, writes rows that say nothing of how they were
-- signed in to, and are read as signed in to with one factor when they were made.
ALTER TABLE "sessions" ADD COLUMN     "acr" TEXT,
ADD COLUMN     "amr" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "auth_time" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "sign_in_challenges" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "token_hash" BYTEA NOT NULL,
    "kind" "session_kind" NOT NULL,
    "amr" TEXT[],
    "tries" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "sign_in_challenges_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "totp_factors" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "secret_ciphertext" BYTEA NOT NULL,
    "last_step" BIGINT NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "confirmed_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "totp_factors_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "passkeys" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "credential_id" BYTEA NOT NULL,
    "public_key" BYTEA NOT NULL,
    "counter" BIGINT NOT NULL,
    "transports" TEXT[],
    "is_synced" BOOLEAN NOT NULL,
    "is_backed_up" BOOLEAN NOT NULL,
    "aaguid" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "passkeys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "recovery_codes" (
    "user_id" UUID NOT NULL,
    "code_hash" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "recovery_codes_pkey" PRIMARY KEY ("user_id","code_hash")
);

-- CreateTable
CREATE TABLE "used_passkey_challenges" (
    "challenge_hash" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "used_passkey_challenges_pkey" PRIMARY KEY ("challenge_hash")
);

-- CreateIndex
CREATE UNIQUE INDEX "sign_in_challenges_token_hash_key" ON "sign_in_challenges"("token_hash");

-- CreateIndex
CREATE INDEX "sign_in_challenges_user_id_created_at_idx" ON "sign_in_challenges"("user_id", "created_at");

-- CreateIndex
CREATE INDEX "sign_in_challenges_expires_at_idx" ON "sign_in_challenges"("expires_at");

-- CreateIndex
CREATE INDEX "totp_factors_user_id_idx" ON "totp_factors"("user_id");

-- CreateIndex
CREATE INDEX "totp_factors_expires_at_idx" ON "totp_factors"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "passkeys_credential_id_key" ON "passkeys"("credential_id");

-- CreateIndex
CREATE INDEX "passkeys_user_id_idx" ON "passkeys"("user_id");

-- CreateIndex
CREATE INDEX "used_passkey_challenges_expires_at_idx" ON "used_passkey_challenges"("expires_at");

-- AddForeignKey
ALTER TABLE "sign_in_challenges" ADD CONSTRAINT "sign_in_challenges_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "totp_factors" ADD CONSTRAINT "totp_factors_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "passkeys" ADD CONSTRAINT "passkeys_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "recovery_codes" ADD CONSTRAINT "recovery_codes_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What follows is not in schema.prisma.

-- A list is never NULL, so that no reader has to think of it. NOT VALID: no scan; every row there is has the default.
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_amr_given" CHECK ("amr" IS NOT NULL) NOT VALID;
-- A secret that has not been confirmed ends; one that has does not.
ALTER TABLE "totp_factors" ADD CONSTRAINT "totp_factors_confirmed_or_ends" CHECK (("confirmed_at" IS NULL) = ("expires_at" IS NOT NULL));

-- What an account can be asked for after its password: none when it has no second factor. Codes for the case that the others are lost are none
-- by themselves. One place, so that no way of signing in counts differently.
CREATE FUNCTION "second_factors"("of_user" UUID) RETURNS TEXT[] LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN f."totp" OR f."passkey"
        THEN array_remove(ARRAY[CASE WHEN f."totp" THEN 'totp' END, CASE WHEN f."passkey" THEN 'passkey' END,
            CASE WHEN EXISTS (SELECT FROM "recovery_codes" r WHERE r."user_id" = "of_user") THEN 'recovery_code' END], NULL)
        ELSE '{}' END
    FROM (SELECT EXISTS (SELECT FROM "totp_factors" t WHERE t."user_id" = "of_user" AND t."confirmed_at" IS NOT NULL) AS "totp",
        EXISTS (SELECT FROM "passkeys" p WHERE p."user_id" = "of_user") AS "passkey") AS f
$$;

-- What a decision about a session rests on has grown.
DROP TRIGGER "sessions_revoke_update" ON "sessions";
CREATE CONSTRAINT TRIGGER "sessions_revoke_update" AFTER UPDATE ON "sessions" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."ended_at" IS DISTINCT FROM NEW."ended_at" OR OLD."expires_at" IS DISTINCT FROM NEW."expires_at" OR OLD."user_id" IS DISTINCT FROM NEW."user_id"
        OR OLD."secret_hash" IS DISTINCT FROM NEW."secret_hash" OR OLD."kind" IS DISTINCT FROM NEW."kind" OR OLD."id" IS DISTINCT FROM NEW."id"
        OR OLD."acr" IS DISTINCT FROM NEW."acr" OR OLD."amr" IS DISTINCT FROM NEW."amr" OR OLD."auth_time" IS DISTINCT FROM NEW."auth_time"
        OR NEW."last_seen_at" < OLD."last_seen_at")
    EXECUTE FUNCTION "revoke_row"('sess', 'id');
