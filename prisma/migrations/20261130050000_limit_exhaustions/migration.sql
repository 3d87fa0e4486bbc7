-- CreateTable
CREATE TABLE "limit_exhaustions" (
    "subject_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "limit_exhaustions_pkey" PRIMARY KEY ("subject_id","name")
);

-- CreateIndex
CREATE INDEX "limit_exhaustions_until_idx" ON "limit_exhaustions"("until");
