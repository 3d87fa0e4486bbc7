-- CreateTable
CREATE TABLE "quota_counters" (
    "key" TEXT NOT NULL,
    "starts_at" TIMESTAMPTZ(3) NOT NULL,
    "ends_at" TIMESTAMPTZ(3) NOT NULL,
    "used" BIGINT NOT NULL,
    "granted" BIGINT NOT NULL,

    CONSTRAINT "quota_counters_pkey" PRIMARY KEY ("key","starts_at","ends_at")
);

-- CreateTable
CREATE TABLE "owner_limits" (
    "id" UUID NOT NULL,
    "limits" JSONB NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "owner_limits_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "limit_namespaces" (
    "id" UUID NOT NULL,
    "namespace" TEXT NOT NULL,
    "limits" JSONB NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "limit_namespaces_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "quota_counters_ends_at_idx" ON "quota_counters"("ends_at");

-- CreateIndex
CREATE UNIQUE INDEX "limit_namespaces_namespace_key" ON "limit_namespaces"("namespace");

-- AddForeignKey
ALTER TABLE "owner_limits" ADD CONSTRAINT "owner_limits_id_fkey" FOREIGN KEY ("id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What follows is not in schema.prisma.

-- A counter is written many times and its index columns never change: room on the page keeps those updates out of the index.
ALTER TABLE "quota_counters" SET (fillfactor = 50);

-- The limits of an owner are part of what every node remembers of the owner's keys.
CREATE CONSTRAINT TRIGGER "owner_limits_revoke" AFTER INSERT OR UPDATE OR DELETE ON "owner_limits" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('user', 'id');
CREATE TRIGGER "owner_limits_revoke_truncate" AFTER TRUNCATE ON "owner_limits" FOR EACH STATEMENT EXECUTE FUNCTION "revoke_all"();
