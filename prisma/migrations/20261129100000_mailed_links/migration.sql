-- AlterTable
ALTER TABLE "users" ADD COLUMN     "email_verified_at" TIMESTAMPTZ(3),
ADD COLUMN     "locale" TEXT;

-- CreateTable
CREATE TABLE "mailed_links" (
    "id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "user_id" UUID,
    "token_hash" BYTEA NOT NULL,
    "code_hash" BYTEA,
    "binding_hash" BYTEA,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "details" JSONB NOT NULL DEFAULT '{}',
    "given_by" UUID,
    "given_with_key" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),

    CONSTRAINT "mailed_links_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "mailed_links_token_hash_key" ON "mailed_links"("token_hash");

-- CreateIndex
CREATE INDEX "mailed_links_email_kind_created_at_idx" ON "mailed_links"("email", "kind", "created_at");

-- CreateIndex
CREATE INDEX "mailed_links_user_id_idx" ON "mailed_links"("user_id");

-- CreateIndex
CREATE INDEX "mailed_links_expires_at_idx" ON "mailed_links"("expires_at");

-- AddForeignKey
ALTER TABLE "mailed_links" ADD CONSTRAINT "mailed_links_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What follows is not in schema.prisma. A link was mailed for the account as it was: whoever changes its status, e-mail or password, by whatever
-- way, voids it.
CREATE FUNCTION "void_mailed_links"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM "mailed_links" WHERE "user_id" = OLD."id";
    RETURN NULL;
END
$$;

CREATE TRIGGER "users_void_mailed_links" AFTER UPDATE ON "users" FOR EACH ROW
    WHEN (OLD."status" IS DISTINCT FROM NEW."status" OR OLD."email" IS DISTINCT FROM NEW."email" OR OLD."password_hash" IS DISTINCT FROM NEW."password_hash")
    EXECUTE FUNCTION "void_mailed_links"();

-- that mail reached one address says nothing of the next
CREATE FUNCTION "forget_verified_email"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW."email_verified_at" IS NOT DISTINCT FROM OLD."email_verified_at" THEN
        NEW."email_verified_at" := NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "users_forget_verified_email" BEFORE UPDATE ON "users" FOR EACH ROW
    WHEN (OLD."email" IS DISTINCT FROM NEW."email") EXECUTE FUNCTION "forget_verified_email"();
