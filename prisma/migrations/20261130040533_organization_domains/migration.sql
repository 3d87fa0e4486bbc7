-- CreateTable
CREATE TABLE "organization_domains" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "domain" TEXT NOT NULL,
    "token" TEXT NOT NULL,
    "automatic" BOOLEAN NOT NULL,
    "role_ids" UUID[],
    "verified_at" TIMESTAMPTZ(3),
    "seen_at" TIMESTAMPTZ(3),
    "missing_since" TIMESTAMPTZ(3),
    "asked_at" TIMESTAMPTZ(3),
    "check_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "issued_by" UUID,
    "issued_via" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "organization_domains_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "organization_departures" (
    "organization_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "organization_departures_pkey" PRIMARY KEY ("organization_id","user_id")
);

-- CreateTable
CREATE TABLE "organization_arrivals" (
    "user_id" UUID NOT NULL,
    "due_at" TIMESTAMPTZ(3),
    "tries" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "organization_arrivals_pkey" PRIMARY KEY ("user_id")
);

-- CreateIndex
CREATE INDEX "organization_domains_check_at_idx" ON "organization_domains"("check_at");

-- CreateIndex
CREATE INDEX "organization_domains_expires_at_idx" ON "organization_domains"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "organization_domains_organization_id_domain_key" ON "organization_domains"("organization_id", "domain");

-- CreateIndex
CREATE INDEX "organization_departures_user_id_idx" ON "organization_departures"("user_id");

-- AddForeignKey
ALTER TABLE "organization_domains" ADD CONSTRAINT "organization_domains_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "organization_departures" ADD CONSTRAINT "organization_departures_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "organization_departures" ADD CONSTRAINT "organization_departures_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "organization_arrivals" ADD CONSTRAINT "organization_arrivals_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What follows is not in schema.prisma. New tables alone, and triggers that write to them: what the version before does goes on as it did.

ALTER TABLE "organization_domains" ADD CONSTRAINT "organization_domains_roles_given" CHECK ("role_ids" IS NOT NULL);
-- it is proven and looked up again, or asked for and over some day
ALTER TABLE "organization_domains" ADD CONSTRAINT "organization_domains_proven_or_ending" CHECK (("verified_at" IS NULL) = ("expires_at" IS NOT NULL) AND ("verified_at" IS NULL) = ("check_at" IS NULL));

-- Many may ask for a domain, and whoever only asks keeps nobody from it; one alone has it.
CREATE UNIQUE INDEX "organization_domains_verified_key" ON "organization_domains"("domain") WHERE "verified_at" IS NOT NULL;

-- Whoever leaves, or is taken out, by whatever path, is not taken in again. What goes with its user or its organization leaves nothing behind: they are gone by then.
CREATE FUNCTION "note_departure"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO "organization_departures" ("organization_id", "user_id", "at")
    SELECT OLD."organization_id", OLD."user_id", now()
    WHERE EXISTS (SELECT FROM "organizations" WHERE "id" = OLD."organization_id") AND EXISTS (SELECT FROM "users" WHERE "id" = OLD."user_id")
    ON CONFLICT ("organization_id", "user_id") DO UPDATE SET "at" = EXCLUDED."at";
    RETURN NULL;
END
$$;
CREATE TRIGGER "organization_members_departure" AFTER DELETE ON "organization_members" FOR EACH ROW EXECUTE FUNCTION "note_departure"();

-- An address that was confirmed, by whatever path, is looked at; whether its account is taken in anywhere is decided later, and anew.
CREATE FUNCTION "note_arrival"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO "organization_arrivals" ("user_id")
    SELECT NEW."id" WHERE EXISTS (SELECT FROM "organization_domains" WHERE "domain" = split_part(NEW."email", '@', 2) AND "verified_at" IS NOT NULL AND "automatic")
    ON CONFLICT ("user_id") DO UPDATE SET "due_at" = NULL, "tries" = 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER "users_arrival_insert" AFTER INSERT ON "users" FOR EACH ROW
    WHEN (NEW."email_verified_at" IS NOT NULL AND NEW."kind" = 'person' AND NOT NEW."anonymous") EXECUTE FUNCTION "note_arrival"();
CREATE TRIGGER "users_arrival_update" AFTER UPDATE ON "users" FOR EACH ROW
    WHEN (NEW."email_verified_at" IS NOT NULL AND NEW."kind" = 'person' AND NOT NEW."anonymous" AND (OLD."email_verified_at" IS DISTINCT FROM NEW."email_verified_at"
        OR OLD."email" IS DISTINCT FROM NEW."email" OR OLD."anonymous" OR OLD."status" IS DISTINCT FROM NEW."status"))
    EXECUTE FUNCTION "note_arrival"();
