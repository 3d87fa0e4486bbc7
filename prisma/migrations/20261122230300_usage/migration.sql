-- CreateEnum
CREATE TYPE "usage_granularity" AS ENUM ('minute', 'hour', 'day');

-- CreateTable
CREATE TABLE "usage_writers" (
    "id" UUID NOT NULL,
    "batch" INTEGER NOT NULL,
    "decisions" BIGINT NOT NULL,
    "written_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "usage_writers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "usage_live" (
    "minute" TIMESTAMPTZ(3) NOT NULL,
    "key_id" UUID NOT NULL,
    "owner_user_id" UUID NOT NULL,
    "allowed" BIGINT NOT NULL,
    "revoked" BIGINT NOT NULL,
    "expired" BIGINT NOT NULL,
    "owner_suspended" BIGINT NOT NULL,
    "forbidden" BIGINT NOT NULL,
    "rate_limited" BIGINT NOT NULL,
    "cost" BIGINT NOT NULL,

    CONSTRAINT "usage_live_pkey" PRIMARY KEY ("minute","key_id")
);

-- CreateTable
CREATE TABLE "usage_counts" (
    "granularity" "usage_granularity" NOT NULL,
    "key_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "owner_user_id" UUID NOT NULL,
    "allowed" BIGINT NOT NULL,
    "revoked" BIGINT NOT NULL,
    "expired" BIGINT NOT NULL,
    "owner_suspended" BIGINT NOT NULL,
    "forbidden" BIGINT NOT NULL,
    "rate_limited" BIGINT NOT NULL,
    "cost" BIGINT NOT NULL,

    CONSTRAINT "usage_counts_pkey" PRIMARY KEY ("granularity","key_id","at")
);

-- CreateIndex
CREATE INDEX "usage_counts_granularity_owner_user_id_at_key_id_idx" ON "usage_counts"("granularity", "owner_user_id", "at", "key_id");

-- CreateIndex
CREATE INDEX "usage_counts_granularity_at_key_id_idx" ON "usage_counts"("granularity", "at", "key_id");

-- What follows is not in schema.prisma.

-- Rows of usage_live are written anew every second and gone after two minutes: room on the page keeps those updates out of
-- the index, and the vacuum must not wait for a fifth of what was there in the busiest minute.
ALTER TABLE "usage_live" SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
