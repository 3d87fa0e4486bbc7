-- CreateTable
CREATE TABLE "oauth_client_endings" (
    "client_id" UUID NOT NULL,
    "public_id" TEXT NOT NULL,
    "backchannel_logout_uri" TEXT,
    "id_token_algorithm" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "due_at" TIMESTAMPTZ(3),

    CONSTRAINT "oauth_client_endings_pkey" PRIMARY KEY ("client_id")
);

-- CreateIndex
CREATE INDEX "oauth_client_endings_due_at_idx" ON "oauth_client_endings"("due_at");

-- CreateIndex
CREATE INDEX "oauth_client_endings_at_idx" ON "oauth_client_endings"("at");

-- What follows is not in schema.prisma.

-- A client that is deleted or disabled leaves its grants: they are ended in small parts afterwards, for there may be a million, and each end is told as any other. What
-- the telling needs is kept beside, for the row may be gone. Of clients that came by themselves most were never used, and leave nothing.
CREATE FUNCTION "oauth_client_leaves"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    "at" TIMESTAMPTZ := now();
BEGIN
    IF TG_OP = 'UPDATE' THEN
        "at" := NEW."updated_at";
    END IF;
    INSERT INTO "oauth_client_endings" ("client_id", "public_id", "backchannel_logout_uri", "id_token_algorithm", "at", "due_at")
    SELECT OLD."id", OLD."client_id", OLD."backchannel_logout_uri", OLD."id_token_algorithm", "at", 'epoch'
    WHERE OLD."registration" = 'administrator' OR EXISTS (SELECT 1 FROM "oauth_grants" g WHERE g."client_id" = OLD."id")
    ON CONFLICT ("client_id") DO UPDATE SET "public_id" = EXCLUDED."public_id", "backchannel_logout_uri" = EXCLUDED."backchannel_logout_uri",
        "id_token_algorithm" = EXCLUDED."id_token_algorithm", "at" = EXCLUDED."at", "due_at" = EXCLUDED."due_at";
    RETURN NULL;
END
$$;
CREATE TRIGGER "oauth_clients_leave_disabled" AFTER UPDATE ON "oauth_clients" FOR EACH ROW WHEN (OLD."enabled" AND NOT NEW."enabled") EXECUTE FUNCTION "oauth_client_leaves"();
CREATE TRIGGER "oauth_clients_leave_deleted" AFTER DELETE ON "oauth_clients" FOR EACH ROW EXECUTE FUNCTION "oauth_client_leaves"();

-- As before, and of a client that is gone, where it wanted to be told when it left.
CREATE OR REPLACE FUNCTION "oauth_tell_logout"("over" UUID) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS $$
    INSERT INTO "oauth_logouts" ("grant_id", "client_id", "user_id", "created_at")
    SELECT g."id", g."client_id", g."user_id", clock_timestamp()
    FROM "oauth_grants" g LEFT JOIN "oauth_clients" c ON c."id" = g."client_id" LEFT JOIN "oauth_client_endings" e ON e."client_id" = g."client_id"
    WHERE g."id" = "over" AND CASE WHEN c."id" IS NULL THEN e."backchannel_logout_uri" ELSE c."backchannel_logout_uri" END IS NOT NULL
    ON CONFLICT DO NOTHING
$$;
