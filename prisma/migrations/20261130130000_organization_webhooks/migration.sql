-- Webhook endpoints that an organization owns. Both columns are changes of the catalogue alone; the constraints are not checked against rows that cannot break them. Nodes of the
-- version before would take such an endpoint for whose who gave it: no organization may have one until its operator says so (webhooks_max), which is for when all nodes are of this version.

-- AlterTable
ALTER TABLE "webhook_endpoints" ADD COLUMN     "organization_id" UUID;

-- AlterTable
ALTER TABLE "organizations" ADD COLUMN     "webhooks_max" INTEGER NOT NULL DEFAULT 0;

-- CreateIndex
CREATE INDEX "webhook_endpoints_organization_id_created_at_id_idx" ON "webhook_endpoints"("organization_id", "created_at", "id");

-- AddForeignKey
ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "webhook_endpoints_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;

-- What follows is not in schema.prisma.

ALTER TABLE "organizations" ADD CONSTRAINT "organizations_webhooks_max_bounded" CHECK ("webhooks_max" BETWEEN 0 AND 100) NOT VALID;
