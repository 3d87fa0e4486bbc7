-- Which organization an event is about: asked once for each that is numbered, where somebody listens.
CREATE INDEX "organization_audit_id_idx" ON "organization_audit"("id");
