-- A session in which somebody acts for another: of a kind of its own, so that nodes of the version before, which know nothing of the actor, take it
-- for none. No foreign keys: it is judged by the actor's session and account each time it is read, and is worth nothing without them.
ALTER TYPE "session_kind" ADD VALUE 'impersonation';

ALTER TABLE "sessions" ADD COLUMN "actor_user_id" UUID,
ADD COLUMN "actor_session_id" UUID;

-- What follows is not in schema.prisma.

-- such a session has no secret: a signed token names it, and nothing renews that. NOT VALID: no scan; no row there is can be one
ALTER TABLE "sessions" DROP CONSTRAINT "sessions_secret_of_kind";
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_secret_of_kind" CHECK (
    CASE WHEN "actor_session_id" IS NOT NULL THEN "kind" NOT IN ('token', 'cookie') AND "actor_user_id" IS NOT NULL AND "secret_hash" IS NULL AND "refresh_seed" IS NULL
        WHEN "kind" = 'token' THEN "refresh_seed" IS NOT NULL AND "secret_hash" IS NULL
        ELSE "kind" = 'cookie' AND "secret_hash" IS NOT NULL AND "refresh_seed" IS NULL END
) NOT VALID;

-- the few there are: one at a time for each of the actor's sessions
CREATE INDEX "sessions_actor_session_id_idx" ON "sessions"("actor_session_id") WHERE "actor_session_id" IS NOT NULL;
