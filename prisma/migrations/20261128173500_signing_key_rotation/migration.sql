-- When a signing key begins to sign, and from when on nothing it signed is good. Keys that are there have signed since they were made;
-- nodes of the version before go on as they did, for they name neither column.
ALTER TABLE "signing_keys" ADD COLUMN "activates_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE "signing_keys" ADD COLUMN "retires_at" TIMESTAMPTZ(3);
UPDATE "signing_keys" SET "activates_at" = "created_at";
