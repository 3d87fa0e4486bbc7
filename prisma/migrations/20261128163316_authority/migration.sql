-- Who may let whom do what. Safe while the version before still runs: new columns have constant defaults, which PostgreSQL adds without
-- rewriting the table, and what that version inserts meanwhile gets them, too. A key it issues is taken for bound until it has been
-- judged (issued_at is null), which the program does at its start.

-- CreateEnum
CREATE TYPE "user_kind" AS ENUM ('person', 'service');

-- CreateEnum
CREATE TYPE "key_kind" AS ENUM ('bound', 'standing');

-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "addresses" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "issued_at" TIMESTAMPTZ(3),
ADD COLUMN     "issued_by" UUID,
ADD COLUMN     "issued_via" TEXT,
ADD COLUMN     "kind" "key_kind" NOT NULL DEFAULT 'bound',
ADD COLUMN     "owner_addresses" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "owner_expires_at" TIMESTAMPTZ(3),
ADD COLUMN     "secret_at" TIMESTAMPTZ(3),
ADD COLUMN     "secret_to" UUID,
ADD COLUMN     "secret_via" TEXT;

-- AlterTable
ALTER TABLE "roles" ADD COLUMN     "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "id" UUID NOT NULL DEFAULT gen_random_uuid(),
ADD COLUMN     "limits" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "user_roles" ADD COLUMN     "issued_at" TIMESTAMPTZ(3),
ADD COLUMN     "issued_by" UUID,
ADD COLUMN     "issued_via" TEXT;

-- AlterTable
ALTER TABLE "users" ADD COLUMN     "issued_by" UUID,
ADD COLUMN     "issued_via" TEXT,
ADD COLUMN     "kind" "user_kind" NOT NULL DEFAULT 'person';

-- CreateTable
CREATE TABLE "key_sweeps" (
    "id" UUID NOT NULL,
    "filter" JSONB NOT NULL,
    "reach" TEXT[],
    "requested_by" TEXT NOT NULL,
    "requested_via" TEXT NOT NULL,
    "before" TIMESTAMPTZ(3) NOT NULL,
    "frontier" TEXT[],
    "revoked" INTEGER NOT NULL DEFAULT 0,
    "left" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "key_sweeps_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "key_sweeps_finished_at_created_at_idx" ON "key_sweeps"("finished_at", "created_at");

-- CreateIndex
CREATE INDEX "api_keys_issued_by_id_idx" ON "api_keys"("issued_by", "id");

-- CreateIndex
CREATE INDEX "api_keys_issued_via_id_idx" ON "api_keys"("issued_via", "id");

-- CreateIndex
CREATE INDEX "api_keys_secret_to_id_idx" ON "api_keys"("secret_to", "id");

-- CreateIndex
CREATE INDEX "api_keys_secret_via_id_idx" ON "api_keys"("secret_via", "id");

-- CreateIndex
CREATE INDEX "api_keys_limit_group_id_idx" ON "api_keys"("limit_group_id");

-- CreateIndex
CREATE UNIQUE INDEX "roles_id_key" ON "roles"("id");

-- CreateIndex
CREATE INDEX "user_roles_issued_by_idx" ON "user_roles"("issued_by");

-- CreateIndex
CREATE INDEX "users_issued_by_idx" ON "users"("issued_by");

-- What follows is not in schema.prisma.

-- A list is never NULL, so that no reader has to think of it. NOT VALID: no scan; every row there is has the default.
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_addresses_given" CHECK ("addresses" IS NOT NULL AND "owner_addresses" IS NOT NULL) NOT VALID;
-- A machine's account has nothing to sign in with.
ALTER TABLE "users" ADD CONSTRAINT "users_service_has_no_password" CHECK ("kind" = 'person' OR "password_hash" IS NULL) NOT VALID;

-- The same rule as src/kernel/permissions.ts: what one granted permission covers.
CREATE FUNCTION "permission_covers"("granted" TEXT, "wanted" TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT "granted" = "wanted"
        OR ("granted" = '*:*' AND NOT starts_with("wanted", 'gatehouse:'))
        OR ("granted" <> '*:*' AND right("granted", 2) = ':*' AND starts_with("wanted", left("granted", -1)))
$$;

-- The fair gate: everybody who grants passes it shared, who narrows alone, and who waits for it is not overtaken (advisory locks queue,
-- row locks do not: 16 granters held a role's UPDATE off for a minute). Class 7101 users, 7102 roles, 7103 keys and sessions. In the order
-- of the hashes, so that no two ever wait in a circle; the strongest mode at once, so that nobody upgrades.
CREATE FUNCTION "authority_gate"("class" INTEGER, "shared" TEXT[], "alone" TEXT[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    "one" RECORD;
BEGIN
    FOR "one" IN
        SELECT hashtext("id") AS "hash", bool_or("exclusive") AS "exclusive"
        FROM (SELECT unnest("shared") AS "id", false AS "exclusive" UNION ALL SELECT unnest("alone"), true) AS "wanted"
        WHERE "id" <> '' GROUP BY 1 ORDER BY 1
    LOOP
        IF "one"."exclusive" THEN
            PERFORM pg_advisory_xact_lock("class", "one"."hash");
        ELSE
            PERFORM pg_advisory_xact_lock_shared("class", "one"."hash");
        END IF;
    END LOOP;
END
$$;

-- Passes the gates of an act and answers what the acting credential holds, which stays so until the commit: the rows are locked, too, so
-- that hand-typed SQL waits. VOLATILE: each statement has a snapshot of its own, younger than the locks before it.
-- "acting" is `key:ID`, `sess:ID`, or empty for the host itself. "users" and "roles": looked at; "narrowed_...": about to lose something.
CREATE FUNCTION "authority_hold"(
    "actor" UUID, "acting" TEXT, "users" TEXT[], "narrowed_users" TEXT[], "roles" TEXT[], "narrowed_roles" TEXT[], "narrowed_credentials" TEXT[]
) RETURNS TABLE ("active" BOOLEAN, "role_permissions" TEXT[], "live" BOOLEAN, "written" TEXT[], "kind" TEXT, "expires_at" TIMESTAMPTZ, "owner_expires_at" TIMESTAMPTZ,
    "addresses" TEXT[], "owner_addresses" TEXT[]) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    "row" RECORD;
    "own_roles" TEXT[];
BEGIN
    PERFORM "authority_gate"(7101, "authority_hold"."users" || coalesce("actor"::TEXT, ''), "narrowed_users");
    SELECT coalesce(array_agg(ur."role_name"), '{}') INTO "own_roles" FROM "user_roles" ur WHERE ur."user_id" = "actor";
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
    FOR "row" IN SELECT r."permissions" FROM "user_roles" ur JOIN "roles" r ON r."name" = ur."role_name" WHERE ur."user_id" = "actor" ORDER BY r."name" FOR SHARE LOOP
        "role_permissions" := "role_permissions" || "row"."permissions";
    END LOOP;
    IF "acting" LIKE 'key:%' THEN
        SELECT k.* INTO "row" FROM "api_keys" k WHERE k."id" = substr("acting", 5)::UUID AND k."owner_user_id" = "actor" FOR SHARE;
        IF FOUND THEN
            "live" := "row"."revoked_at" IS NULL;
            "written" := "row"."permissions";
            "kind" := "row"."kind"::TEXT;
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

-- What a decision about a key rests on has grown.
DROP TRIGGER "api_keys_revoke_update" ON "api_keys";
CREATE CONSTRAINT TRIGGER "api_keys_revoke_update" AFTER UPDATE ON "api_keys" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."revoked_at" IS DISTINCT FROM NEW."revoked_at" OR OLD."expires_at" IS DISTINCT FROM NEW."expires_at"
        OR OLD."permissions" IS DISTINCT FROM NEW."permissions" OR OLD."limits" IS DISTINCT FROM NEW."limits" OR OLD."metadata" IS DISTINCT FROM NEW."metadata"
        OR OLD."name" IS DISTINCT FROM NEW."name" OR OLD."owner_user_id" IS DISTINCT FROM NEW."owner_user_id"
        OR OLD."limit_group_id" IS DISTINCT FROM NEW."limit_group_id" OR OLD."key_hash" IS DISTINCT FROM NEW."key_hash" OR OLD."id" IS DISTINCT FROM NEW."id"
        OR OLD."kind" IS DISTINCT FROM NEW."kind" OR OLD."addresses" IS DISTINCT FROM NEW."addresses" OR OLD."owner_addresses" IS DISTINCT FROM NEW."owner_addresses"
        OR OLD."owner_expires_at" IS DISTINCT FROM NEW."owner_expires_at" OR (OLD."issued_at" IS NULL AND NEW."issued_at" IS NOT NULL))
    EXECUTE FUNCTION "revoke_row"('key', 'id');
DROP TRIGGER "roles_revoke" ON "roles";
CREATE CONSTRAINT TRIGGER "roles_revoke" AFTER UPDATE ON "roles" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."permissions" IS DISTINCT FROM NEW."permissions" OR OLD."limits" IS DISTINCT FROM NEW."limits") EXECUTE FUNCTION "revoke_row"('role', 'name');

-- Administrators hold the application's permissions, too; what a member may do to their own things stands in their role, and can be taken away.
UPDATE "roles" SET "permissions" = "permissions" || '{*:*}' WHERE "name" = 'admin' AND NOT '*:*' = ANY ("permissions");
UPDATE "roles" SET "permissions" = "permissions" || '{gatehouse:own.keys,gatehouse:own.profile,gatehouse:own.sessions}' WHERE "name" = 'member'
    AND NOT "permissions" && '{gatehouse:own.keys,gatehouse:own.profile,gatehouse:own.sessions}';
