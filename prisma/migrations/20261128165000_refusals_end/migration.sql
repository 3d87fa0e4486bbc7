-- Refusals end, security acts stay: a refusal older than a day may be deleted (the retention asks for those of 30 days), nothing else
-- of the audit log, and no row may be changed. The list is REFUSALS of src/audit/refusal-folds.ts.
CREATE OR REPLACE FUNCTION "audit_events_refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD."action" IN ('access.denied', 'login.failed', 'login.throttled', 'password.change_failed') AND OLD."at" < now() - interval '1 day' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
