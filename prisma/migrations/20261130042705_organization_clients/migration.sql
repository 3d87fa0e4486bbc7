-- OAuth clients that an organization owns. Both columns are changes of the catalogue alone; the constraints are not checked against rows that cannot break them. Nodes of the version
-- before take such a client for the operator's: no organization may have one until its operator says so (clients_max), which is for when all nodes are of this version.

-- AlterTable
ALTER TABLE "oauth_clients" ADD COLUMN     "organization_id" UUID;

-- AlterTable
ALTER TABLE "organizations" ADD COLUMN     "clients_max" INTEGER NOT NULL DEFAULT 0;

-- CreateIndex
CREATE INDEX "oauth_clients_organization_id_created_at_id_idx" ON "oauth_clients"("organization_id", "created_at", "id");

-- AddForeignKey
ALTER TABLE "oauth_clients" ADD CONSTRAINT "oauth_clients_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;

-- What follows is not in schema.prisma.

-- whoever writes it: people are always asked, and it asks about nobody's tokens
ALTER TABLE "oauth_clients" ADD CONSTRAINT "oauth_clients_of_organizations" CHECK ("organization_id" IS NULL OR ("registration" = 'administrator' AND NOT "first_party" AND "kind" <> 'resource')) NOT VALID;
ALTER TABLE "organizations" ADD CONSTRAINT "organizations_clients_max_bounded" CHECK ("clients_max" BETWEEN 0 AND 1000) NOT VALID;

CREATE CONSTRAINT TRIGGER "oauth_clients_revoke_organization" AFTER UPDATE ON "oauth_clients" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."organization_id" IS DISTINCT FROM NEW."organization_id") EXECUTE FUNCTION "revoke_row"('client', 'id');
