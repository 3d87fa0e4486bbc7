-- CreateTable
CREATE TABLE "queued_work" (
    "id" UUID NOT NULL,
    "queue" TEXT NOT NULL,
    "payload_ciphertext" BYTEA NOT NULL,
    "about" JSONB NOT NULL DEFAULT '{}',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "claim" UUID,
    "run_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "queued_work_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "dead_letters" (
    "id" UUID NOT NULL,
    "queue" TEXT NOT NULL,
    "payload_ciphertext" BYTEA NOT NULL,
    "about" JSONB NOT NULL DEFAULT '{}',
    "attempts" INTEGER NOT NULL,
    "error" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "failed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "dead_letters_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "queued_work_queue_run_at_id_idx" ON "queued_work"("queue", "run_at", "id");

-- CreateIndex
CREATE INDEX "dead_letters_failed_at_id_idx" ON "dead_letters"("failed_at", "id");
