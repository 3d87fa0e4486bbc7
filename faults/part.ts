// What a stage has that can be lost: one server among others that know of each other, or a pooler that stands in front of one.

export interface Part {
  /** Ends it at once. */
  lose: () => Promise<void>
  /** Returns when what it did is done again, by itself or by the one that takes its place. */
  mend: () => Promise<void>
  /** What was lost comes back beside the one that took its place. */
  rejoin: () => Promise<void>
}
