-- What everybody who is a person has: role member is the base of their rights and of their plan, whatever else they are given. A machine's
-- account has what it was given.
CREATE VIEW "effective_roles" AS
    SELECT "user_id", "role_name" FROM "user_roles"
    UNION
    SELECT "id", 'member' FROM "users" WHERE "kind" = 'person';

CREATE OR REPLACE FUNCTION "authority_hold"(
    "actor" UUID, "acting" TEXT, "users" TEXT[], "narrowed_users" TEXT[], "roles" TEXT[], "narrowed_roles" TEXT[], "narrowed_credentials" TEXT[]
) RETURNS TABLE ("active" BOOLEAN, "role_permissions" TEXT[], "live" BOOLEAN, "written" TEXT[], "kind" TEXT, "expires_at" TIMESTAMPTZ, "owner_expires_at" TIMESTAMPTZ,
    "addresses" TEXT[], "owner_addresses" TEXT[]) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    "row" RECORD;
    "own_roles" TEXT[];
BEGIN
    PERFORM "authority_gate"(7101, "authority_hold"."users" || coalesce("actor"::TEXT, ''), "narrowed_users");
    SELECT coalesce(array_agg(e."role_name"), '{}') INTO "own_roles" FROM "effective_roles" e WHERE e."user_id" = "actor";
    PERFORM "authority_gate"(7102, "authority_hold"."roles" || "own_roles", "narrowed_roles");
    PERFORM "authority_gate"(7103, ARRAY["acting"], "narrowed_credentials");
    "active" := false;
    "role_permissions" := '{}';
    "live" := false;
    "written" := '{}';
    SELECT u."status" = 'active' AS "is_active" INTO "row" FROM "users" u WHERE u."id" = "actor" FOR SHARE;
    IF FOUND THEN
        "active" := "row"."is_active";
    END IF;
    PERFORM 1 FROM "user_roles" ur WHERE ur."user_id" = "actor" ORDER BY ur."role_name" FOR SHARE;
    FOR "row" IN SELECT r."permissions" FROM "roles" r WHERE r."name" = ANY ("own_roles") ORDER BY r."name" FOR SHARE LOOP
        "role_permissions" := "role_permissions" || "row"."permissions";
    END LOOP;
    IF "acting" LIKE 'key:%' THEN
        SELECT k.* INTO "row" FROM "api_keys" k WHERE k."id" = substr("acting", 5)::UUID AND k."owner_user_id" = "actor" FOR SHARE;
        IF FOUND THEN
            "live" := "row"."revoked_at" IS NULL;
            "written" := "row"."permissions";
            -- not judged yet: worth what the version that wrote it took it for
            "kind" := CASE WHEN "row"."issued_at" IS NULL THEN 'standing' ELSE "row"."kind"::TEXT END;
            "expires_at" := "row"."expires_at";
            "owner_expires_at" := "row"."owner_expires_at";
            "addresses" := "row"."addresses";
            "owner_addresses" := "row"."owner_addresses";
        END IF;
    ELSIF "acting" LIKE 'sess:%' THEN
        SELECT s."ended_at" IS NULL AS "is_live", s."expires_at" INTO "row" FROM "sessions" s WHERE s."id" = substr("acting", 6)::UUID AND s."user_id" = "actor" FOR SHARE;
        IF FOUND THEN
            "live" := "row"."is_live";
            "expires_at" := "row"."expires_at";
        END IF;
    END IF;
    RETURN NEXT;
END
$$;

-- Where a sweep stands among the children of the first of its frontier.
ALTER TABLE "key_sweeps" ADD COLUMN "cursor" UUID;
