-- Keys that an organization owns. Safe while the version before runs: its keys have an owner, whom it still writes; those of organizations it does not
-- find, and so it admits none. Both changes of the column are of the catalogue alone; the constraints are not checked against rows that cannot break them.

-- DropNotNull
ALTER TABLE "api_keys" ADD COLUMN     "organization_id" UUID,
ALTER COLUMN "owner_user_id" DROP NOT NULL;

-- CreateIndex
CREATE INDEX "api_keys_organization_id_created_at_id_idx" ON "api_keys"("organization_id", "created_at", "id");

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;

-- What follows is not in schema.prisma.

ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_one_owner" CHECK (("owner_user_id" IS NULL) <> ("organization_id" IS NULL)) NOT VALID;
-- what an organization's key may do is the application's, whoever writes it
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_organizations_of_applications" CHECK ("organization_id" IS NULL OR "of_applications"("permissions")) NOT VALID;

CREATE CONSTRAINT TRIGGER "api_keys_revoke_organization" AFTER UPDATE ON "api_keys" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."organization_id" IS DISTINCT FROM NEW."organization_id") EXECUTE FUNCTION "revoke_row"('key', 'id');
