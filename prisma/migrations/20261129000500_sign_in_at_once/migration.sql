-- A sign-in in few statements. Only functions: nothing is rewritten, and the version before, which takes the same locks in the same order
-- one statement at a time, may go on beside it. VOLATILE: each statement in a function has a snapshot of its own, younger than the locks
-- before it. That holds in READ COMMITTED alone, so that any other level is refused, not trusted.

-- Counts one failure for each counter, or, when one of them has had as many as it takes, counts nothing and answers the minutes that they are
-- made of. "counters" in the order in which everybody locks them (the program's own sorting, never a collation's), with their "limits";
-- "window": the keys of all minutes that may still count; "counted": the keys to count in.
CREATE FUNCTION "login_reserve"("counters" TEXT[], "limits" INTEGER[], "window" TEXT[], "counted" TEXT[], "now" TIMESTAMPTZ, "until" TIMESTAMPTZ)
RETURNS SETOF "login_counters" LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    "one" TEXT;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'login_reserve needs READ COMMITTED: an older snapshot would not see the failures that were waited for';
    END IF;
    FOREACH "one" IN ARRAY "counters" LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended("one", 0));
    END LOOP;
    PERFORM 1 FROM "login_counters" c JOIN unnest("counters", "limits") AS l("counter", "most") ON l."counter" = split_part(c."key", '@', 1)
        WHERE c."key" = ANY ("window") AND c."expires_at" > "login_reserve"."now" GROUP BY l."counter", l."most" HAVING sum(c."count") >= l."most";
    IF FOUND THEN
        RETURN QUERY SELECT c.* FROM "login_counters" c WHERE c."key" = ANY ("window") AND c."expires_at" > "login_reserve"."now" ORDER BY c."expires_at";
    ELSE
        INSERT INTO "login_counters" ("key", "count", "expires_at") SELECT k, 1, "login_reserve"."until" FROM unnest("counted") AS k
            ON CONFLICT ("key") DO UPDATE SET "count" = "login_counters"."count" + 1, "expires_at" = GREATEST("login_counters"."expires_at", excluded."expires_at");
    END IF;
END
$$;

-- All that a sign-in waits for, in its order: grants that are under way as this user, the user's row, the counters of guesses. What is read
-- and written behind it is a statement of its own, whose snapshot is younger than all of these.
CREATE FUNCTION "sign_in_lock"("user" UUID, "counters" TEXT[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    "one" TEXT;
BEGIN
    PERFORM "authority_gate"(7101, '{}', ARRAY["user"::TEXT]);
    PERFORM 1 FROM "users" u WHERE u."id" = "sign_in_lock"."user" FOR NO KEY UPDATE;
    FOREACH "one" IN ARRAY "counters" LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended("one", 0));
    END LOOP;
END
$$;
