/* The rules of docs/decision-engine.md for one credential, one node and one revocation, with time in steps and every delay,
 * loss and order of events possible. Spin looks at all of them: a revoked credential is never accepted later than the lease
 * after its commit. Each rule can be taken out by a definition, and then Spin finds how it goes wrong:
 *   -DNOGUARD   a reading older than the revocation is kept and used
 *   -DNOLEASE   the cache is used without a lease
 *   -DPOLLEND   the lease counts from the answer of a poll, not from its sending
 *   -DNOAGE     an answer older than the lease is used
 * scripts/model.mjs runs all five. */
#ifndef LEASE
#define LEASE 3
#endif
#ifndef HORIZON
#define HORIZON 10
#endif

#ifdef NOGUARD
#define READING_CURRENT (true)
#define ENTRY_CURRENT (true)
#else
#define READING_CURRENT (invalidated <= readSeq)
#define ENTRY_CURRENT (asOf >= invalidated)
#endif
#ifdef NOLEASE
#define LEASED (true)
#else
#define LEASED (now <= leaseUntil)
#endif
#ifdef NOAGE
#define READING_FRESH (true)
#else
#define READING_FRESH (now <= readSent + LEASE)
#endif
#ifdef POLLEND
#define LEASE_FROM now
#else
#define LEASE_FROM pollSent
#endif
#define TOO_LATE (revoked && now > revokedAt + LEASE)

byte now = 0;

/* the database: one revocation, number 1, at any time; and a message about it, which may be lost */
bool revoked = false;
byte revokedAt = 0;
byte seq = 0;
bool published = false;

/* the node: what it knows of revocations, and for how long it may rely on that */
byte invalidated = 0;
byte leaseUntil = 0;
bool held = false;
byte asOf = 0;

/* a poll under way: sent, run in the database, answered */
bool polling = false;
byte pollSent = 0;
bool pollRan = false;
byte pollSeq = 0;

/* a reading of the credential under way */
bool reading = false;
byte readSent = 0;
bool readRan = false;
bool readRevoked = false;
byte readSeq = 0;

active proctype world() {
  do
  :: atomic { now < HORIZON -> now++ }

  :: atomic { !revoked -> revoked = true; revokedAt = now; seq = 1; published = true }
  :: atomic { published -> published = false; invalidated = 1 }
  :: atomic { published -> published = false }

  :: atomic { !polling -> polling = true; pollSent = now; pollRan = false }
  :: atomic { polling && !pollRan -> pollRan = true; pollSeq = seq }
  :: atomic { polling && pollRan ->
       polling = false;
       invalidated = (pollSeq > invalidated -> pollSeq : invalidated);
       leaseUntil = (LEASE_FROM + LEASE > leaseUntil -> LEASE_FROM + LEASE : leaseUntil) }
  :: atomic { polling -> polling = false } /* lost */

  :: atomic { !reading -> reading = true; readSent = now; readRan = false }
  :: atomic { reading && !readRan -> readRan = true; readRevoked = revoked; readSeq = seq }
  /* a fresh answer is proof by itself: it is accepted at once, and kept */
  :: atomic { reading && readRan && !readRevoked && READING_FRESH && READING_CURRENT ->
       reading = false; held = true; asOf = readSeq; assert(!TOO_LATE) }
  :: atomic { reading && (readRevoked || !READING_FRESH || !READING_CURRENT) -> reading = false }

  /* a request that finds the credential in memory */
  :: atomic { held && LEASED && ENTRY_CURRENT -> assert(!TOO_LATE) }
  :: atomic { held -> held = false } /* pushed out, or too old */
  :: now == HORIZON -> break
  od
}
