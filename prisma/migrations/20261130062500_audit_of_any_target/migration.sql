-- A row of the log may name any target, also one that has no id of ours: writing it must not fail for that. Otherwise as before.
CREATE OR REPLACE FUNCTION "audit_of_organization"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    "form" CONSTANT TEXT := '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';
    "of" TEXT := CASE WHEN NEW."target_type" = 'organization' THEN NEW."target_id" ELSE NEW."details"->>'organizationId' END;
BEGIN
    IF NEW."target_type" = 'key' AND NEW."target_id" ~ "form" THEN
        SELECT "organization_id"::text INTO "of" FROM "api_keys" WHERE "id" = NEW."target_id"::uuid;
    END IF;
    IF "of" ~ "form" THEN
        INSERT INTO "organization_audit" ("organization_id", "at", "id") SELECT "id", NEW."at", NEW."id" FROM "organizations" WHERE "id" = "of"::uuid;
    END IF;
    RETURN NULL;
END
$$;
