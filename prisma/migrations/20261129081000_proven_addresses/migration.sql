-- The address that a provider has proven, as far as it is trusted with it: what an identity is worth when its account is recovered. Rows of before have none,
-- and are told it at their next sign-in.
ALTER TABLE "external_identities" ADD COLUMN "proven_email" TEXT;
