-- CreateTable
CREATE TABLE "oauth_logouts" (
    "grant_id" UUID NOT NULL,
    "client_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "oauth_logouts_pkey" PRIMARY KEY ("grant_id")
);

-- CreateIndex
CREATE INDEX "oauth_logouts_created_at_idx" ON "oauth_logouts"("created_at");

-- What follows is not in schema.prisma.

-- A grant is over, or the sign-in it was given in is, or its row goes: its client is told, where it wants to be. Whoever did it: a service, a change of the
-- account, SQL typed by hand.
CREATE FUNCTION "oauth_tell_logout"("over" UUID) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS $$
    INSERT INTO "oauth_logouts" ("grant_id", "client_id", "user_id", "created_at")
    SELECT g."id", g."client_id", g."user_id", clock_timestamp() FROM "oauth_grants" g JOIN "oauth_clients" c ON c."id" = g."client_id" AND c."backchannel_logout_uri" IS NOT NULL
    WHERE g."id" = "over" ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION "oauth_end_grants"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    "parent" UUID := OLD."id";
    "at" TIMESTAMPTZ := now();
BEGIN
    IF TG_OP = 'UPDATE' THEN
        "at" := NEW."ended_at";
    END IF;
    IF OLD."kind"::TEXT = 'grant' THEN
        PERFORM "oauth_tell_logout"("parent");
    ELSE
        -- an offline grant goes on; its client is told all the same that whoever signed in has signed out
        PERFORM "oauth_tell_logout"(g."id") FROM "oauth_grants" g JOIN "sessions" s ON s."id" = g."id" WHERE g."parent_session_id" = "parent" AND g."offline" AND s."ended_at" IS NULL;
        UPDATE "sessions" SET "ended_at" = "at" WHERE "ended_at" IS NULL AND "id" IN (SELECT g."id" FROM "oauth_grants" g WHERE g."parent_session_id" = "parent" AND NOT g."offline");
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NULL END;
END
$$;
CREATE TRIGGER "sessions_end_grants" AFTER UPDATE ON "sessions" FOR EACH ROW
    WHEN (OLD."ended_at" IS NULL AND NEW."ended_at" IS NOT NULL AND OLD."kind"::TEXT IN ('cookie', 'grant')) EXECUTE FUNCTION "oauth_end_grants"();
-- before, for the row of the grant goes with it; after, for a trigger may not change what the same statement is about to delete
CREATE TRIGGER "sessions_grant_deleted" BEFORE DELETE ON "sessions" FOR EACH ROW
    WHEN (OLD."ended_at" IS NULL AND OLD."kind"::TEXT = 'grant') EXECUTE FUNCTION "oauth_end_grants"();
CREATE TRIGGER "sessions_end_grants_deleted" AFTER DELETE ON "sessions" FOR EACH ROW
    WHEN (OLD."ended_at" IS NULL AND OLD."kind"::TEXT = 'cookie') EXECUTE FUNCTION "oauth_end_grants"();
