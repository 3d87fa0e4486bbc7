// Writes the Prisma client into src/database/generated, when prisma/schema.prisma has changed since the last time.
import { ensureGenerated } from './prepare.mjs'

await ensureGenerated()
