-- AlterTable
ALTER TABLE "nodes" ADD COLUMN     "cursor" BIGINT NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "revocation_head" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "seq" BIGINT NOT NULL,

    CONSTRAINT "revocation_head_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "revocation_log" (
    "seq" BIGINT NOT NULL,
    "tag" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "revocation_log_pkey" PRIMARY KEY ("seq","tag")
);

-- CreateIndex
CREATE INDEX "revocation_log_at_idx" ON "revocation_log"("at");

-- What follows is not in schema.prisma: who writes these tables, whoever changes a credential.

ALTER TABLE "revocation_head" ADD CONSTRAINT "revocation_head_one_row" CHECK ("id" = 1);
INSERT INTO "revocation_head" ("id", "seq") VALUES (1, 0);

-- Tells every node that what it knows under `tag` is out of date. The update of the one row is a lock until the commit, so
-- the order of numbers is the order of commits: who sees a number sees all that was committed under smaller ones.
-- A transaction gets one number for all of its tags; the setting that carries it ends with the transaction (and goes back
-- with a savepoint), and the transaction's id beside it keeps a number of another one from being taken.
CREATE FUNCTION "revoke_tag"("revoked" TEXT) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    "mine" TEXT := pg_current_xact_id()::TEXT;
    "known" TEXT[] := string_to_array(current_setting('gatehouse.revocation', true), ':');
    "number" BIGINT;
BEGIN
    IF "known"[1] = "mine" THEN
        "number" := "known"[2]::BIGINT;
    ELSE
        UPDATE "revocation_head" SET "seq" = "seq" + 1 RETURNING "seq" INTO STRICT "number";
        PERFORM set_config('gatehouse.revocation', "mine" || ':' || "number", true);
    END IF;
    INSERT INTO "revocation_log" ("seq", "tag", "at") VALUES ("number", "revoked", clock_timestamp()) ON CONFLICT DO NOTHING;
END
$$;

-- The trigger of a table: arguments are the tag's kind and the column that holds its id.
CREATE FUNCTION "revoke_row"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    "before" TEXT;
    "after" TEXT;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        EXECUTE format('SELECT ($1).%I::TEXT', TG_ARGV[1]) INTO "before" USING OLD;
        PERFORM "revoke_tag"(TG_ARGV[0] || ':' || "before");
    END IF;
    IF TG_OP <> 'DELETE' THEN
        EXECUTE format('SELECT ($1).%I::TEXT', TG_ARGV[1]) INTO "after" USING NEW;
        IF "after" IS DISTINCT FROM "before" THEN
            PERFORM "revoke_tag"(TG_ARGV[0] || ':' || "after");
        END IF;
    END IF;
    RETURN NULL;
END
$$;

-- The tag * stands for everything: TRUNCATE fires no row's trigger.
CREATE FUNCTION "revoke_all"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM "revoke_tag"('*');
    RETURN NULL;
END
$$;

-- Deferred: they run at the commit, so the lock on the head is short, whatever the transaction did before.
-- Their conditions name what a decision rests on; noting a use (last_used_at, last_seen_at) is none of it.
CREATE CONSTRAINT TRIGGER "users_revoke_update" AFTER UPDATE ON "users" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."status" IS DISTINCT FROM NEW."status" OR OLD."id" IS DISTINCT FROM NEW."id") EXECUTE FUNCTION "revoke_row"('user', 'id');
CREATE CONSTRAINT TRIGGER "users_revoke_delete" AFTER DELETE ON "users" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('user', 'id');
CREATE TRIGGER "users_revoke_truncate" AFTER TRUNCATE ON "users" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();

CREATE CONSTRAINT TRIGGER "user_roles_revoke" AFTER INSERT OR UPDATE OR DELETE ON "user_roles" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('user', 'user_id');
CREATE TRIGGER "user_roles_revoke_truncate" AFTER TRUNCATE ON "user_roles" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();

-- one tag for all holders of a role, however many there are
CREATE CONSTRAINT TRIGGER "roles_revoke" AFTER UPDATE ON "roles" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."permissions" IS DISTINCT FROM NEW."permissions") EXECUTE FUNCTION "revoke_row"('role', 'name');

CREATE CONSTRAINT TRIGGER "sessions_revoke_update" AFTER UPDATE ON "sessions" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."ended_at" IS DISTINCT FROM NEW."ended_at" OR OLD."expires_at" IS DISTINCT FROM NEW."expires_at" OR OLD."user_id" IS DISTINCT FROM NEW."user_id"
        OR OLD."secret_hash" IS DISTINCT FROM NEW."secret_hash" OR OLD."kind" IS DISTINCT FROM NEW."kind" OR OLD."id" IS DISTINCT FROM NEW."id"
        OR NEW."last_seen_at" < OLD."last_seen_at")
    EXECUTE FUNCTION "revoke_row"('sess', 'id');
-- a session that ended was told of then, and one that is over by a day is accepted nowhere: deleting old rows tells nobody
CREATE CONSTRAINT TRIGGER "sessions_revoke_delete" AFTER DELETE ON "sessions" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."ended_at" IS NULL AND OLD."expires_at" > now() - interval '1 day') EXECUTE FUNCTION "revoke_row"('sess', 'id');
CREATE TRIGGER "sessions_revoke_truncate" AFTER TRUNCATE ON "sessions" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();

CREATE CONSTRAINT TRIGGER "api_keys_revoke_update" AFTER UPDATE ON "api_keys" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."revoked_at" IS DISTINCT FROM NEW."revoked_at" OR OLD."expires_at" IS DISTINCT FROM NEW."expires_at"
        OR OLD."permissions" IS DISTINCT FROM NEW."permissions" OR OLD."limits" IS DISTINCT FROM NEW."limits" OR OLD."metadata" IS DISTINCT FROM NEW."metadata"
        OR OLD."name" IS DISTINCT FROM NEW."name" OR OLD."owner_user_id" IS DISTINCT FROM NEW."owner_user_id"
        OR OLD."limit_group_id" IS DISTINCT FROM NEW."limit_group_id" OR OLD."key_hash" IS DISTINCT FROM NEW."key_hash" OR OLD."id" IS DISTINCT FROM NEW."id")
    EXECUTE FUNCTION "revoke_row"('key', 'id');
CREATE CONSTRAINT TRIGGER "api_keys_revoke_delete" AFTER DELETE ON "api_keys" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."revoked_at" IS NULL) EXECUTE FUNCTION "revoke_row"('key', 'id');
CREATE TRIGGER "api_keys_revoke_truncate" AFTER TRUNCATE ON "api_keys" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();
