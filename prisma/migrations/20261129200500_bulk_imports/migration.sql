-- CreateTable
CREATE TABLE "bulk_imports" (
    "scope" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "rows" INTEGER NOT NULL,
    "digest" BYTEA NOT NULL,
    "created" INTEGER NOT NULL,
    "updated" INTEGER NOT NULL,
    "unchanged" INTEGER NOT NULL,
    "failed" INTEGER NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "bulk_imports_pkey" PRIMARY KEY ("scope","key")
);

-- CreateIndex
CREATE INDEX "bulk_imports_expires_at_idx" ON "bulk_imports"("expires_at");
