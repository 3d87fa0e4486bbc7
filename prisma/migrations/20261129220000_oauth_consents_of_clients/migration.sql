-- A client that is deleted, or has had its time, takes along what was consented to. Those of clients that are gone already go first; then the key is added without
-- a scan, and validated without a lock that writers wait for.
DELETE FROM "oauth_consents" k WHERE NOT EXISTS (SELECT 1 FROM "oauth_clients" c WHERE c."id" = k."client_id");

-- AddForeignKey
ALTER TABLE "oauth_consents" ADD CONSTRAINT "oauth_consents_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "oauth_clients"("id") ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
ALTER TABLE "oauth_consents" VALIDATE CONSTRAINT "oauth_consents_client_id_fkey";
