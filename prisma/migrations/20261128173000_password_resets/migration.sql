-- CreateTable
CREATE TABLE "password_resets" (
    "user_id" UUID NOT NULL,
    "token_hash" BYTEA NOT NULL,
    "given_by" UUID NOT NULL,
    "given_with_key" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "password_resets_pkey" PRIMARY KEY ("user_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "password_resets_token_hash_key" ON "password_resets"("token_hash");

-- CreateIndex
CREATE INDEX "password_resets_expires_at_idx" ON "password_resets"("expires_at");

-- AddForeignKey
ALTER TABLE "password_resets" ADD CONSTRAINT "password_resets_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What follows is not in schema.prisma. A link was given for the account as it was: whoever changes its status, e-mail, password
-- or roles, by whatever way, voids the link. In the database, so that no way in and no hand-typed SQL forgets it.
CREATE FUNCTION "void_password_reset"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        DELETE FROM "password_resets" WHERE "user_id" = OLD."id";
    ELSE
        IF TG_OP <> 'INSERT' THEN
            DELETE FROM "password_resets" WHERE "user_id" = OLD."user_id";
        END IF;
        IF TG_OP <> 'DELETE' THEN
            DELETE FROM "password_resets" WHERE "user_id" = NEW."user_id";
        END IF;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER "users_void_password_reset" AFTER UPDATE ON "users" FOR EACH ROW
    WHEN (OLD."status" IS DISTINCT FROM NEW."status" OR OLD."email" IS DISTINCT FROM NEW."email" OR OLD."password_hash" IS DISTINCT FROM NEW."password_hash")
    EXECUTE FUNCTION "void_password_reset"();
CREATE TRIGGER "user_roles_void_password_reset" AFTER INSERT OR UPDATE OR DELETE ON "user_roles" FOR EACH ROW
    EXECUTE FUNCTION "void_password_reset"();
