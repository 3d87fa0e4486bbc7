-- DropForeignKey
ALTER TABLE "organization_departures" DROP CONSTRAINT "organization_departures_user_id_fkey";

-- AlterTable
ALTER TABLE "organization_departures" ADD COLUMN     "address_hash" BYTEA;

-- CreateIndex
CREATE INDEX "organization_departures_organization_id_address_hash_idx" ON "organization_departures"("organization_id", "address_hash");

-- What follows is not in schema.prisma. The table is a day old at most: its index is made in a moment.

UPDATE "organization_departures" d SET "address_hash" = sha256(convert_to(u."email", 'UTF8')) FROM "users" u WHERE u."id" = d."user_id";

-- As before, with the address: whoever deletes their account and opens another with it is no other. What goes with its user leaves nothing behind still, for nobody took them out.
CREATE OR REPLACE FUNCTION "note_departure"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO "organization_departures" ("organization_id", "user_id", "address_hash", "at")
    SELECT OLD."organization_id", u."id", sha256(convert_to(u."email", 'UTF8')), now() FROM "users" u
    WHERE u."id" = OLD."user_id" AND EXISTS (SELECT FROM "organizations" WHERE "id" = OLD."organization_id")
    ON CONFLICT ("organization_id", "user_id") DO UPDATE SET "address_hash" = EXCLUDED."address_hash", "at" = EXCLUDED."at";
    RETURN NULL;
END
$$;
