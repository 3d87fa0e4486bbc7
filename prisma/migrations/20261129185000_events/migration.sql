-- CreateTable
CREATE TABLE "event_outbox" (
    "n" BIGSERIAL NOT NULL,
    "id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "type" TEXT NOT NULL,
    "subject_type" TEXT NOT NULL,
    "subject_id" TEXT NOT NULL,
    "actor_type" TEXT NOT NULL,
    "actor_id" TEXT NOT NULL,
    "request_id" TEXT NOT NULL,
    "details" JSONB NOT NULL,

    CONSTRAINT "event_outbox_pkey" PRIMARY KEY ("n")
);

-- CreateTable
CREATE TABLE "events" (
    "position" BIGINT NOT NULL,
    "id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "type" TEXT NOT NULL,
    "subject_type" TEXT NOT NULL,
    "subject_id" TEXT NOT NULL,
    "actor_type" TEXT NOT NULL,
    "actor_id" TEXT NOT NULL,
    "request_id" TEXT NOT NULL,
    "details" JSONB NOT NULL,

    CONSTRAINT "events_pkey" PRIMARY KEY ("position")
);

-- CreateTable
CREATE TABLE "event_head" (
    "one" INTEGER NOT NULL DEFAULT 1,
    "position" BIGINT NOT NULL,
    "last_id" UUID NOT NULL,

    CONSTRAINT "event_head_pkey" PRIMARY KEY ("one")
);

-- CreateIndex
CREATE INDEX "events_at_idx" ON "events"("at");

-- CreateIndex
CREATE INDEX "events_id_idx" ON "events"("id");

INSERT INTO "event_head" ("one", "position", "last_id") VALUES (1, 0, '00000000-0000-0000-0000-000000000000');
ALTER TABLE "event_head" ADD CONSTRAINT "event_head_is_one" CHECK ("one" = 1);

-- Each audit row of a change is an event, written by the statement that writes the row: what is rolled back was never there, and no path
-- can leave it out. Refusals change nothing, and whoever asks for them could fill the log (src/audit/refusal-folds.ts has the same list).
CREATE FUNCTION "event_of_audit"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO event_outbox (id, at, type, subject_type, subject_id, actor_type, actor_id, request_id, details)
  VALUES (NEW.id, NEW.at, CASE WHEN NEW.action = 'user.updated' AND NEW.details->>'status' = 'suspended' THEN 'user.suspended' ELSE NEW.action END,
          NEW.target_type, NEW.target_id, NEW.actor_type, NEW.actor_id, NEW.request_id, NEW.details);
  RETURN NULL;
END $$;
CREATE TRIGGER "audit_events_event" AFTER INSERT ON "audit_events" FOR EACH ROW
  WHEN (NEW.action <> ALL (ARRAY['access.denied', 'login.failed', 'login.throttled', 'password.change_failed', 'impersonation.request']))
  EXECUTE FUNCTION "event_of_audit"();

-- Numbers what has committed, one node at a time: without a gap, and never a number below one that was given before, so that whoever reads by
-- position misses nothing that commits late. Each statement in here has a snapshot of its own, younger than the lock.
CREATE FUNCTION "number_events"("most" INTEGER) RETURNS TABLE ("head" BIGINT, "head_id" UUID, "numbered" INTEGER) LANGUAGE plpgsql AS $$
DECLARE
  before BIGINT;
  count INTEGER := 0;
BEGIN
  PERFORM FROM event_outbox ORDER BY n LIMIT 1;
  IF FOUND AND pg_try_advisory_xact_lock(7110, 0) THEN
    SELECT h.position INTO before FROM event_head h;
    WITH taken AS (
      DELETE FROM event_outbox o WHERE o.n = ANY (ARRAY(SELECT i.n FROM event_outbox i ORDER BY i.n LIMIT most)) RETURNING o.*
    ), placed AS (
      INSERT INTO events (position, id, at, type, subject_type, subject_id, actor_type, actor_id, request_id, details)
      SELECT before + row_number() OVER (ORDER BY t.n), t.id, t.at, t.type, t.subject_type, t.subject_id, t.actor_type, t.actor_id, t.request_id, t.details FROM taken t
      RETURNING events.position, events.id
    ), moved AS (
      UPDATE event_head h SET position = last.position, last_id = last.id
      FROM (SELECT p.position, p.id FROM placed p ORDER BY p.position DESC LIMIT 1) AS last RETURNING h.position
    )
    SELECT coalesce((SELECT m.position FROM moved m), before) - before INTO count;
  END IF;
  RETURN QUERY SELECT h.position, h.last_id, count FROM event_head h;
END $$;
