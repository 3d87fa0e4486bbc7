-- Devices that a user has signed in from: a lock that strangers cause does not hold for them.
CREATE TABLE "known_devices" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "secret_hash" BYTEA NOT NULL,
    "used_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "known_devices_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "known_devices_secret_hash_key" ON "known_devices"("secret_hash");

CREATE INDEX "known_devices_user_id_used_at_idx" ON "known_devices"("user_id", "used_at");

CREATE INDEX "known_devices_expires_at_idx" ON "known_devices"("expires_at");

ALTER TABLE "known_devices" ADD CONSTRAINT "known_devices_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;
