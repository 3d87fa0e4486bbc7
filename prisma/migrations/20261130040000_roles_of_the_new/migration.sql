-- Which transaction opened an account. In two steps: whoever is there already gets none, and no row is written anew.
ALTER TABLE "users" ADD COLUMN "opened_in" xid8;
ALTER TABLE "users" ALTER COLUMN "opened_in" SET DEFAULT pg_current_xact_id();

-- What a transaction gives to an account that it has opened itself revokes nothing: nobody else has seen the account, so nobody knows anything of it
-- that could be out of date. Without this an import of a million tells every node a million times to forget somebody it has never heard of.
-- `opened_in` alone tells an account that was opened here from one that was only changed here, whose row is as new (xmin); xmin tells it from one that
-- another server opened under the same number, and whose rows were brought along by a backup. Where either is in doubt (a savepoint, an account
-- deleted and opened again: its deletion was told of), it is told.
CREATE FUNCTION "revoke_given_role"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM "users" u WHERE u."id" = NEW."user_id" AND u."opened_in" = pg_current_xact_id() AND u.xmin = pg_current_xact_id()::xid) THEN
        PERFORM "revoke_tag"('user:' || NEW."user_id");
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER "user_roles_revoke" ON "user_roles";
CREATE CONSTRAINT TRIGGER "user_roles_revoke" AFTER UPDATE OR DELETE ON "user_roles" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_row"('user', 'user_id');
CREATE CONSTRAINT TRIGGER "user_roles_revoke_insert" AFTER INSERT ON "user_roles" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION "revoke_given_role"();

-- Roles void a link that sets a password, once for all that a statement gives.
CREATE FUNCTION "void_password_resets_given"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM "password_resets" WHERE "user_id" IN (SELECT "user_id" FROM "given");
    RETURN NULL;
END
$$;

DROP TRIGGER "user_roles_void_password_reset" ON "user_roles";
CREATE TRIGGER "user_roles_void_password_reset" AFTER UPDATE OR DELETE ON "user_roles" FOR EACH ROW
    EXECUTE FUNCTION "void_password_reset"();
CREATE TRIGGER "user_roles_void_password_reset_insert" AFTER INSERT ON "user_roles" REFERENCING NEW TABLE AS "given" FOR EACH STATEMENT
    EXECUTE FUNCTION "void_password_resets_given"();
