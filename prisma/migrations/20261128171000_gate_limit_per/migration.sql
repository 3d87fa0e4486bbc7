-- What a gate rule's limit counts together: all that an owner presents, each credential, or each address. A constant default: no row is rewritten, and
-- what the version before inserts meanwhile counts by owner, too.

-- AlterTable
ALTER TABLE "gate_rules" ADD COLUMN     "limit_per" TEXT NOT NULL DEFAULT 'owner';

-- What follows is not in schema.prisma.
ALTER TABLE "gate_rules" ADD CONSTRAINT "gate_rules_limit_per_is_known" CHECK ("limit_per" IN ('owner', 'credential', 'address')) NOT VALID;
