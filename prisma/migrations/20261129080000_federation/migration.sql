-- CreateEnum
CREATE TYPE "provider_kind" AS ENUM ('oidc', 'github');

-- CreateEnum
CREATE TYPE "provider_sign_up" AS ENUM ('never', 'policy', 'always');

-- CreateTable
CREATE TABLE "identity_providers" (
    "id" UUID NOT NULL,
    "kind" "provider_kind" NOT NULL,
    "name" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "secret_ciphertext" BYTEA,
    "key_team_id" TEXT,
    "key_id" TEXT,
    "scopes" TEXT[],
    "enabled" BOOLEAN NOT NULL,
    "sign_up" "provider_sign_up" NOT NULL,
    "trusted_email_domains" TEXT[],
    "tenants" TEXT[],
    "form_post" BOOLEAN NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "identity_providers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "external_identities" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "provider_id" UUID NOT NULL,
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "email" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "external_identities_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "federation_states" (
    "state_hash" BYTEA NOT NULL,
    "provider_id" UUID NOT NULL,
    "browser_hash" BYTEA NOT NULL,
    "ciphertext" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "federation_states_pkey" PRIMARY KEY ("state_hash")
);

-- CreateTable
CREATE TABLE "pending_links" (
    "browser_hash" BYTEA NOT NULL,
    "user_id" UUID NOT NULL,
    "provider_id" UUID NOT NULL,
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "pending_links_pkey" PRIMARY KEY ("browser_hash")
);

-- CreateTable
CREATE TABLE "federation_codes" (
    "code_hash" BYTEA NOT NULL,
    "browser_hash" BYTEA NOT NULL,
    "ciphertext" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "federation_codes_pkey" PRIMARY KEY ("code_hash")
);

-- CreateIndex
CREATE INDEX "identity_providers_created_at_id_idx" ON "identity_providers"("created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "identity_providers_issuer_client_id_key" ON "identity_providers"("issuer", "client_id");

-- CreateIndex
CREATE INDEX "external_identities_user_id_created_at_id_idx" ON "external_identities"("user_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "external_identities_provider_id_issuer_subject_key" ON "external_identities"("provider_id", "issuer", "subject");

-- CreateIndex
CREATE INDEX "federation_states_browser_hash_created_at_idx" ON "federation_states"("browser_hash", "created_at");

-- CreateIndex
CREATE INDEX "federation_states_provider_id_idx" ON "federation_states"("provider_id");

-- CreateIndex
CREATE INDEX "federation_states_expires_at_idx" ON "federation_states"("expires_at");

-- CreateIndex
CREATE INDEX "pending_links_provider_id_idx" ON "pending_links"("provider_id");

-- CreateIndex
CREATE INDEX "pending_links_expires_at_idx" ON "pending_links"("expires_at");

-- CreateIndex
CREATE INDEX "federation_codes_expires_at_idx" ON "federation_codes"("expires_at");

-- AddForeignKey
ALTER TABLE "external_identities" ADD CONSTRAINT "external_identities_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "external_identities" ADD CONSTRAINT "external_identities_provider_id_fkey" FOREIGN KEY ("provider_id") REFERENCES "identity_providers"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "federation_states" ADD CONSTRAINT "federation_states_provider_id_fkey" FOREIGN KEY ("provider_id") REFERENCES "identity_providers"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pending_links" ADD CONSTRAINT "pending_links_provider_id_fkey" FOREIGN KEY ("provider_id") REFERENCES "identity_providers"("id") ON DELETE CASCADE ON UPDATE CASCADE;
