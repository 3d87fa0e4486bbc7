-- CreateTable
CREATE TABLE "gate_rules" (
    "id" UUID NOT NULL,
    "host" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "methods" TEXT[],
    "is_public" BOOLEAN NOT NULL,
    "permissions" TEXT[],
    "limit_quota" INTEGER,
    "limit_window_seconds" INTEGER,
    "priority" INTEGER NOT NULL DEFAULT 0,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "gate_rules_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "gate_rules_created_at_id_idx" ON "gate_rules"("created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "gate_rules_host_path_methods_key" ON "gate_rules"("host", "path", "methods");

-- What follows is not in schema.prisma.

-- Hand-typed SQL must not make a rule that says two things.
ALTER TABLE "gate_rules" ADD CONSTRAINT "gate_rules_public_needs_nothing" CHECK (NOT ("is_public" AND cardinality("permissions") > 0));
ALTER TABLE "gate_rules" ADD CONSTRAINT "gate_rules_limit_is_whole" CHECK (("limit_quota" IS NULL) = ("limit_window_seconds" IS NULL));
ALTER TABLE "gate_rules" ADD CONSTRAINT "gate_rules_limit_is_positive" CHECK ("limit_quota" > 0 AND "limit_window_seconds" > 0);

-- Every change tells the nodes that the rules they hold are out of date, at the commit (see the triggers of credentials).
CREATE FUNCTION "revoke_named"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM "revoke_tag"(TG_ARGV[0]);
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER "gate_rules_revoke" AFTER INSERT OR UPDATE OR DELETE ON "gate_rules" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_named"('gate:rules');
CREATE TRIGGER "gate_rules_revoke_truncate" AFTER TRUNCATE ON "gate_rules" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_named"('gate:rules');
