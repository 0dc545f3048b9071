/**
 * The table of pages that the last quick walk of a stage has ended in, for the addresses of one nested walk: one in the same
 * 2 MiB as the last begins there. What led to it is not read again, and cannot have changed: memory is at hand, and nobody
 * else acts before the nested walk has ended.
 */

/** No upper 11 bits of a half. */
const NOWHERE = -1;

export class NearTable {
  /** The upper bits of the addresses that the table translates. */
  hi = 0;
  prefix = NOWHERE;
  /** Index of its first word in the pool of the memory. */
  frame = 0;
  /** What the entries on the way to it grant. */
  rights = 0;

  forget(): void {
    this.prefix = NOWHERE;
  }

  remember(hi: number, lo: number, frame: number, rights: number): void {
    this.hi = hi;
    this.prefix = lo >>> 21;
    this.frame = frame;
    this.rights = rights;
  }
}
