-- AlterTable
ALTER TABLE "oauth_client_endings" ADD COLUMN     "organization_id" UUID;

-- What follows is not in schema.prisma.

-- As before, and whose it was: where it is told, by whose way it is told there. A row of before says nobody's, and is gone in a month.
CREATE OR REPLACE FUNCTION "oauth_client_leaves"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    "at" TIMESTAMPTZ := now();
BEGIN
    IF TG_OP = 'UPDATE' THEN
        "at" := NEW."updated_at";
    END IF;
    INSERT INTO "oauth_client_endings" ("client_id", "public_id", "backchannel_logout_uri", "id_token_algorithm", "organization_id", "at", "due_at")
    SELECT OLD."id", OLD."client_id", OLD."backchannel_logout_uri", OLD."id_token_algorithm", OLD."organization_id", "at", 'epoch'
    WHERE OLD."registration" = 'administrator' OR EXISTS (SELECT 1 FROM "oauth_grants" g WHERE g."client_id" = OLD."id")
    ON CONFLICT ("client_id") DO UPDATE SET "public_id" = EXCLUDED."public_id", "backchannel_logout_uri" = EXCLUDED."backchannel_logout_uri",
        "id_token_algorithm" = EXCLUDED."id_token_algorithm", "organization_id" = EXCLUDED."organization_id", "at" = EXCLUDED."at", "due_at" = EXCLUDED."due_at";
    RETURN NULL;
END
$$;
