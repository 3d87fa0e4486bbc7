-- In which organization the user of a session acts. Safe while the version before runs: it acts in none.

-- AlterTable
ALTER TABLE "sessions" ADD COLUMN     "organization_id" UUID;

-- What follows is not in schema.prisma.

CREATE CONSTRAINT TRIGGER "sessions_revoke_organization" AFTER UPDATE ON "sessions" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD."organization_id" IS DISTINCT FROM NEW."organization_id") EXECUTE FUNCTION "revoke_row"('sess', 'id');
