-- Invitations are mailed links of somebody's: listed, and counted for who gave them. Both are over the few rows of that kind, and built in a moment; a
-- table of links holds a week of them at the most.
-- What follows is not in schema.prisma.
CREATE INDEX "mailed_links_invitations_created_at_idx" ON "mailed_links"("created_at", "id") WHERE "kind" = 'invitation';
CREATE INDEX "mailed_links_invitations_given_by_idx" ON "mailed_links"("given_by") WHERE "kind" = 'invitation';
