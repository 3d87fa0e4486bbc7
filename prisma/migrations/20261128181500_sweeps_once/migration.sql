-- Keys may have issued, rotated and widened one another in a circle: a sweep goes through each once.
ALTER TABLE "key_sweeps" ADD COLUMN "visited" TEXT[] DEFAULT ARRAY[]::TEXT[];
