-- CreateEnum
CREATE TYPE "organization_status" AS ENUM ('active', 'suspended');

-- CreateTable
CREATE TABLE "organizations" (
    "id" UUID NOT NULL,
    "slug" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "status" "organization_status" NOT NULL DEFAULT 'active',
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "entitlement" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "limits" JSONB NOT NULL DEFAULT '[]',
    "issued_by" UUID,
    "issued_via" TEXT,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "organizations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "organization_roles" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL,
    "permissions" TEXT[],
    "rights" TEXT[],
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "organization_roles_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "organization_members" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "is_owner" BOOLEAN NOT NULL,
    "role_ids" UUID[],
    "issued_by" UUID,
    "issued_via" TEXT,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "organization_members_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "organization_invitations" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "is_owner" BOOLEAN NOT NULL,
    "role_ids" UUID[],
    "issued_by" UUID NOT NULL,
    "issued_via" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "organization_invitations_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "organizations_slug_key" ON "organizations"("slug");

-- CreateIndex
CREATE INDEX "organizations_created_at_id_idx" ON "organizations"("created_at", "id");

-- CreateIndex
CREATE INDEX "organizations_name_id_idx" ON "organizations"("name", "id");

-- CreateIndex
CREATE UNIQUE INDEX "organization_roles_organization_id_name_key" ON "organization_roles"("organization_id", "name");

-- CreateIndex
CREATE INDEX "organization_members_organization_id_created_at_id_idx" ON "organization_members"("organization_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "organization_members_user_id_created_at_id_idx" ON "organization_members"("user_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "organization_members_organization_id_user_id_key" ON "organization_members"("organization_id", "user_id");

-- CreateIndex
CREATE INDEX "organization_invitations_organization_id_created_at_id_idx" ON "organization_invitations"("organization_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "organization_invitations_expires_at_idx" ON "organization_invitations"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "organization_invitations_organization_id_email_key" ON "organization_invitations"("organization_id", "email");

-- AddForeignKey
ALTER TABLE "organization_roles" ADD CONSTRAINT "organization_roles_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "organization_members" ADD CONSTRAINT "organization_members_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "organization_members" ADD CONSTRAINT "organization_members_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "organization_invitations" ADD CONSTRAINT "organization_invitations_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What follows is not in schema.prisma. New tables alone: nothing that the version before knows is touched.

ALTER TABLE "organizations" ADD CONSTRAINT "organizations_entitlement_given" CHECK ("entitlement" IS NOT NULL);
ALTER TABLE "organization_roles" ADD CONSTRAINT "organization_roles_lists_given" CHECK ("permissions" IS NOT NULL AND "rights" IS NOT NULL);
ALTER TABLE "organization_members" ADD CONSTRAINT "organization_members_roles_given" CHECK ("role_ids" IS NOT NULL);

-- What is Gatehouse's is no customer's to have, whoever writes it.
CREATE FUNCTION "of_applications"("listed" TEXT[]) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT NOT EXISTS (SELECT FROM unnest("listed") "p" WHERE starts_with("p", 'gatehouse:'))
$$;
ALTER TABLE "organizations" ADD CONSTRAINT "organizations_entitlement_of_applications" CHECK ("of_applications"("entitlement"));
ALTER TABLE "organization_roles" ADD CONSTRAINT "organization_roles_of_applications" CHECK ("of_applications"("permissions"));

-- What decisions rest on: an organization and its roles by one tag, whoever is in it; a membership by that of its user.
CREATE CONSTRAINT TRIGGER "organizations_revoke_update" AFTER UPDATE ON "organizations" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."status" IS DISTINCT FROM NEW."status" OR OLD."entitlement" IS DISTINCT FROM NEW."entitlement" OR OLD."limits" IS DISTINCT FROM NEW."limits"
        OR OLD."id" IS DISTINCT FROM NEW."id")
    EXECUTE FUNCTION "revoke_row"('org', 'id');
CREATE CONSTRAINT TRIGGER "organizations_revoke_delete" AFTER DELETE ON "organizations" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('org', 'id');
CREATE TRIGGER "organizations_revoke_truncate" AFTER TRUNCATE ON "organizations" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();

CREATE CONSTRAINT TRIGGER "organization_roles_revoke_update" AFTER UPDATE ON "organization_roles" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."permissions" IS DISTINCT FROM NEW."permissions" OR OLD."organization_id" IS DISTINCT FROM NEW."organization_id" OR OLD."id" IS DISTINCT FROM NEW."id")
    EXECUTE FUNCTION "revoke_row"('org', 'organization_id');
CREATE CONSTRAINT TRIGGER "organization_roles_revoke_delete" AFTER DELETE ON "organization_roles" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('org', 'organization_id');
CREATE TRIGGER "organization_roles_revoke_truncate" AFTER TRUNCATE ON "organization_roles" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();

CREATE CONSTRAINT TRIGGER "organization_members_revoke" AFTER INSERT OR UPDATE OR DELETE ON "organization_members" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('user', 'user_id');
CREATE TRIGGER "organization_members_revoke_truncate" AFTER TRUNCATE ON "organization_members" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();
