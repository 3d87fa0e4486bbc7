-- CreateTable
CREATE TABLE "organization_audit" (
    "organization_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "id" UUID NOT NULL,

    CONSTRAINT "organization_audit_pkey" PRIMARY KEY ("organization_id","at","id")
);

-- AddForeignKey
ALTER TABLE "organization_audit" ADD CONSTRAINT "organization_audit_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What follows is not in schema.prisma.

-- Written by the statement that writes the row of the log, so that no path leaves it out. Whose a key or a client is says its row; of a client that was deleted the details.
CREATE FUNCTION "audit_of_organization"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    "of" TEXT := CASE WHEN NEW."target_type" = 'organization' THEN NEW."target_id" ELSE NEW."details"->>'organizationId' END;
BEGIN
    IF NEW."target_type" = 'key' AND NEW."target_id" <> '' THEN
        SELECT "organization_id"::text INTO "of" FROM "api_keys" WHERE "id" = NEW."target_id"::uuid;
    END IF;
    IF "of" ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' THEN
        INSERT INTO "organization_audit" ("organization_id", "at", "id") SELECT "id", NEW."at", NEW."id" FROM "organizations" WHERE "id" = "of"::uuid;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER "audit_events_organization" AFTER INSERT ON "audit_events" FOR EACH ROW
    WHEN (NEW."action" <> ALL (ARRAY['access.denied', 'login.failed', 'login.throttled', 'password.change_failed', 'impersonation.request'])
        AND (NEW."target_type" IN ('organization', 'key') OR NEW."details" ? 'organizationId'))
    EXECUTE FUNCTION "audit_of_organization"();

-- What was written before: found by the index on the target, a few rows each.
INSERT INTO "organization_audit" ("organization_id", "at", "id")
SELECT o."id", e."at", e."id" FROM "organizations" o JOIN "audit_events" e ON e."target_id" = o."id"::text AND e."target_type" = 'organization'
WHERE e."action" <> 'access.denied' ON CONFLICT DO NOTHING;
INSERT INTO "organization_audit" ("organization_id", "at", "id")
SELECT k."organization_id", e."at", e."id" FROM "api_keys" k JOIN "audit_events" e ON e."target_id" = k."id"::text AND e."target_type" = 'key'
WHERE k."organization_id" IS NOT NULL AND e."action" <> 'access.denied' ON CONFLICT DO NOTHING;

-- The log as an organization sees it: where somebody acted from only of those who are, or were, in it.
CREATE VIEW "organization_audit_log" AS
SELECT a."organization_id", a."at", a."id", e."actor_type", e."actor_id", e."action", e."target_type", e."target_id", e."request_id", e."details",
    CASE WHEN e."actor_id" ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' THEN
        CASE WHEN EXISTS (SELECT FROM "organization_members" m WHERE m."organization_id" = a."organization_id" AND m."user_id" = e."actor_id"::uuid)
            OR EXISTS (SELECT FROM "organization_departures" d WHERE d."organization_id" = a."organization_id" AND d."user_id" = e."actor_id"::uuid) THEN e."address" END
    END AS "address"
FROM "organization_audit" a JOIN "audit_events" e ON e."id" = a."id";
