/**
 * What is between a root complex and its memory: the last-level cache, which devices read and write (Intel calls that DDIO), the channels and
 * banks of DRAM, and the memory of another socket.
 *
 * Accesses take effect in the order in which they came as far as writes are concerned: nothing takes effect before a write that was
 * there earlier.
 *
 * Inaccuracies: lines that cores have written go back to DRAM for free; reads of devices leave nothing in the cache; whoever writes part
 * of a line that is not there does not read the rest; the cache holds nothing of the other socket, whose channels are shared with this one.
 */
import { numberOf } from '../bits/index.ts';
import { type Duration, type Instant, ns } from '../sim/index.ts';
import { type BankSpec, Dram } from './dram.ts';
import { LINE_BYTES, lineOf } from './line.ts';
import { Found, LineCache, type LineCacheSpec } from './line-cache.ts';

export interface LastLevelSpec extends LineCacheSpec {
  /** Nanoseconds of an access that the cache serves. */
  readonly latency: number;
  /** Nanoseconds more of a write for which a written line has to go back to DRAM first. */
  readonly allocate: number;
}

export interface HierarchySpec {
  readonly channels: number;
  readonly banks: BankSpec | null;
  readonly lastLevel: LastLevelSpec | null;
  /** Memory from `start` on belongs to another socket: each access takes `hop` nanoseconds more. */
  readonly otherSocket: { readonly start: number; readonly hop: number } | null;
}

/** Accesses and their bytes; lines. */
export interface HierarchyCounts {
  accesses: number;
  bytes: number;
  /** Of accesses, that the last-level cache has served, and that went to DRAM. */
  cacheHits: number;
  cacheMisses: number;
  /** That were written, and went back to DRAM for another. */
  writtenBack: number;
}

export class Hierarchy {
  readonly #counts: HierarchyCounts;
  readonly #dram: Dram;
  readonly #cache: LineCache | null;
  readonly #hit: Duration;
  readonly #allocate: Duration;
  readonly #farFrom: number;
  readonly #hop: Duration;
  /** When the last write takes effect. */
  #written = 0;

  /** What happens to lines is counted in `counts`. */
  constructor(spec: HierarchySpec, latency: number, bytesPerNanosecond: number, counts: HierarchyCounts) {
    this.#counts = counts;
    const { channels, banks, lastLevel, otherSocket } = spec;
    this.#dram = new Dram({ latency, bytesPerNanosecond, channels, banks });
    this.#cache = lastLevel === null ? null : new LineCache(lastLevel);
    this.#hit = ns(lastLevel?.latency ?? 0);
    this.#allocate = ns(lastLevel?.allocate ?? 0);
    this.#farFrom = otherSocket?.start ?? Number.POSITIVE_INFINITY;
    this.#hop = ns(otherSocket?.hop ?? 0);
  }

  /** How long from `now` a read takes; one that does not snoop passes the cache by. */
  read(now: Instant, hi: number, lo: number, bytes: number, snoops: boolean): Duration {
    this.#count(bytes);
    const address = numberOf(hi, lo);
    const isFar = address >= this.#farFrom;
    const cache = isFar || !snoops ? null : this.#cache;
    let takes = 0;
    const last = lineOf(address + Math.max(bytes, 1) - 1);
    for (let line = lineOf(address); line <= last; line++) {
      const isHit = cache?.find(line) === true;
      if (isHit) this.#counts.cacheHits++;
      else this.#counts.cacheMisses++;
      takes = Math.max(takes, isHit ? this.#hit : this.#dram.access(line, now));
    }
    return this.#inOrder(now, takes + (isFar ? this.#hop : 0));
  }

  /** The same for a write. */
  write(now: Instant, hi: number, lo: number, bytes: number): Duration {
    this.#count(bytes);
    const address = numberOf(hi, lo);
    const isFar = address >= this.#farFrom;
    const cache = isFar ? null : this.#cache;
    let takes = 0;
    const last = lineOf(address + Math.max(bytes, 1) - 1);
    for (let line = lineOf(address); line <= last; line++) {
      takes = Math.max(takes, cache === null ? this.#dram.access(line, now) : this.#writeInto(cache, line, now));
    }
    const inOrder = this.#inOrder(now, takes + (isFar ? this.#hop : 0));
    this.#written = now + inOrder;
    return inOrder;
  }

  /** A core has read or written these bytes. */
  touch(address: number, bytes: number): void {
    if (this.#cache === null) return;
    const end = Math.min(address + bytes, this.#farFrom);
    for (let line = lineOf(address); line * LINE_BYTES < end; line++) this.#cache.touch(line);
  }

  reset(): void {
    this.#dram.reset();
    this.#cache?.clear();
    this.#written = 0;
    Object.assign(this.#counts, { accesses: 0, bytes: 0, cacheHits: 0, cacheMisses: 0, writtenBack: 0 });
  }

  #writeInto(cache: LineCache, line: number, now: Instant): Duration {
    const found = cache.write(line);
    if (found === Found.LINE) this.#counts.cacheHits++;
    if (found < 0) return this.#hit;
    this.#counts.writtenBack++;
    // Nobody waits for it to arrive, but it takes its time on its channel.
    this.#dram.access(found, now);
    return (this.#hit + this.#allocate) as Duration;
  }

  #count(bytes: number): void {
    this.#counts.accesses++;
    this.#counts.bytes += bytes;
  }

  #inOrder(now: Instant, takes: number): Duration {
    return Math.max(takes, this.#written - now) as Duration;
  }
}
