-- A role may ask for a second factor. A constant default, which PostgreSQL adds without rewriting the table.
ALTER TABLE "roles" ADD COLUMN     "requires_mfa" BOOLEAN NOT NULL DEFAULT false;

-- What follows is not in schema.prisma.

-- What a decision about a session rests on has grown.
DROP TRIGGER "roles_revoke" ON "roles";
CREATE CONSTRAINT TRIGGER "roles_revoke" AFTER UPDATE ON "roles" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."permissions" IS DISTINCT FROM NEW."permissions" OR OLD."limits" IS DISTINCT FROM NEW."limits" OR OLD."requires_mfa" IS DISTINCT FROM NEW."requires_mfa")
    EXECUTE FUNCTION "revoke_row"('role', 'name');

-- Does a role of a person ask for a second factor? One place, so that no reader counts differently.
CREATE FUNCTION "mfa_required"("of_user" UUID) RETURNS BOOLEAN LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM "effective_roles" e JOIN "roles" r ON r."name" = e."role_name" WHERE e."user_id" = "of_user" AND r."requires_mfa")
$$;

-- Whoever may change their own password may look after their own factors as well.
UPDATE "roles" SET "permissions" = "permissions" || '{gatehouse:own.factors}' WHERE "name" = 'member'
    AND 'gatehouse:own.profile' = ANY ("permissions") AND NOT 'gatehouse:own.factors' = ANY ("permissions");
