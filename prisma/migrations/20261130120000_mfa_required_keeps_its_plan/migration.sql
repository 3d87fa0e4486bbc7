-- Does a role of a person ask for a second factor? The same answer as before. A function in SQL was planned anew each time it was asked (it can be inlined nowhere, for it
-- holds a subquery), which cost more than all else of a refresh; one in PL/pgSQL keeps its plan for as long as the connection.
CREATE OR REPLACE FUNCTION "mfa_required"("of_user" UUID) RETURNS BOOLEAN LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM "effective_roles" e JOIN "roles" r ON r."name" = e."role_name" WHERE e."user_id" = "of_user" AND r."requires_mfa");
END
$$;
