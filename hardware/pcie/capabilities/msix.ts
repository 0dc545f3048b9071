/**
 * The MSI-X capability, and the table of messages and the pending bits that stand behind base addresses of the function.
 *
 * Surface: `holds`, `read`, `write` for requests that reach table or pending bits;
 * what `MessageSource` says. Writes that are not of whole words change nothing, nor do writes to pending bits.
 */
import { maskOf } from '../../bits/index.ts';
import { CapabilityId, MSIX_CAPABILITY, MSIX_ENTRY, MSIX_ENTRY_BYTES, MSIX_PENDING_GROUP } from '../spec/index.ts';
import { Capability } from './capability.ts';
import type { MessageSource } from './message-source.ts';

/** A place behind a base address register, at a multiple of 8. */
export interface PlaceBehindBar {
  readonly bar: number;
  readonly offset: number;
}

export interface MsixSpec {
  /** 1 to 2048. */
  readonly vectors: number;
  readonly table: PlaceBehindBar;
  /** Where the pending bits stand. */
  readonly pending: PlaceBehindBar;
}

const MOST_VECTORS = 2048;
const PLACE_GRANULE = 8;
const WORD_BYTES = 4;
const ENTRY_WORDS = MSIX_ENTRY_BYTES / WORD_BYTES;

export class MsixCapability extends Capability<typeof MSIX_CAPABILITY> implements MessageSource {
  readonly vectors: number;
  onUnmask: ((vector: number) => void) | null = null;
  readonly #spec: MsixSpec;
  readonly #table: Uint32Array;
  readonly #pending: Uint32Array;

  constructor(spec: MsixSpec) {
    const { vectors, table, pending } = spec;
    if (!Number.isInteger(vectors) || vectors < 1 || vectors > MOST_VECTORS) {
      throw new RangeError(`${vectors} MSI-X vectors are not between 1 and ${MOST_VECTORS}`);
    }
    super({
      extended: false,
      id: CapabilityId.MSI_X,
      layout: MSIX_CAPABILITY,
      initial: {
        TABLE_SIZE: vectors - 1,
        TABLE_BIR: table.bar,
        TABLE_OFFSET: table.offset / PLACE_GRANULE,
        PBA_BIR: pending.bar,
        PBA_OFFSET: pending.offset / PLACE_GRANULE,
      },
    });
    this.vectors = vectors;
    this.#spec = spec;
    this.#table = new Uint32Array(vectors * ENTRY_WORDS);
    this.#pending = new Uint32Array(Math.ceil(vectors / MSIX_PENDING_GROUP) * 2);
    if (table.offset % PLACE_GRANULE !== 0 || pending.offset % PLACE_GRANULE !== 0 || this.#overlap()) {
      throw new RangeError('MSI-X table and pending bits are not apart, or not at multiples of 8');
    }
    this.reset();
  }

  get enabled(): boolean {
    return this.isSet(MSIX_CAPABILITY.ENABLE);
  }

  get functionMasked(): boolean {
    return this.isSet(MSIX_CAPABILITY.FUNCTION_MASK);
  }

  /** Behind which base addresses table and pending bits end, and where. */
  get places(): { readonly bar: number; readonly end: number }[] {
    const { table, pending } = this.#spec;
    return [
      { bar: table.bar, end: table.offset + this.#table.length * WORD_BYTES },
      { bar: pending.bar, end: pending.offset + this.#pending.length * WORD_BYTES },
    ];
  }

  /** True when a request that starts there is for the table or the pending bits. */
  holds(bar: number, offset: number): boolean {
    const { table, pending } = this.#spec;
    return isIn(table, this.#table, bar, offset) || isIn(pending, this.#pending, bar, offset);
  }

  /** Bytes behind the end of what is read are 0. */
  read(bar: number, offset: number, into: Uint8Array, length: number): void {
    const inTable = isIn(this.#spec.table, this.#table, bar, offset);
    const [words, place] = inTable ? [this.#table, this.#spec.table] : [this.#pending, this.#spec.pending];
    for (let i = 0; i < length; i++) {
      const at = offset - place.offset + i;
      into[i] = (words[at >>> 2] ?? 0) >>> ((at & 3) * 8);
    }
  }

  write(bar: number, offset: number, from: Uint8Array, length: number): void {
    const { table } = this.#spec;
    if (!isIn(table, this.#table, bar, offset) || ((offset | length) & 3) !== 0) return;
    const first = (offset - table.offset) / WORD_BYTES;
    const count = Math.min(length / WORD_BYTES, this.#table.length - first);
    for (let i = 0; i < count; i++) {
      const at = first + i;
      const b = i * WORD_BYTES;
      const word = from[b]! | (from[b + 1]! << 8) | (from[b + 2]! << 16) | (from[b + 3]! << 24);
      this.#table[at] = word & WRITABLE[at % ENTRY_WORDS]!;
      if (at % ENTRY_WORDS === MSIX_ENTRY.MASK.word) this.#deliver((at - MSIX_ENTRY.MASK.word) / ENTRY_WORDS);
    }
  }

  hold(vector: number): boolean {
    if (!this.functionMasked && !this.#isMasked(vector)) return false;
    this.#pending[vector >>> 5]! |= 1 << (vector & 31);
    return true;
  }

  addressHi(vector: number): number {
    return MSIX_ENTRY.ADDRESS_HIGH.get(this.#table, vector * ENTRY_WORDS) | 0;
  }

  addressLo(vector: number): number {
    return (MSIX_ENTRY.ADDRESS.get(this.#table, vector * ENTRY_WORDS) << 2) | 0;
  }

  data(vector: number): number {
    return MSIX_ENTRY.DATA.get(this.#table, vector * ENTRY_WORDS);
  }

  /** Every vector is masked after a reset. */
  override reset(): void {
    this.#pending.fill(0);
    this.#table.fill(0);
    for (let vector = 0; vector < this.vectors; vector++) MSIX_ENTRY.MASK.set(this.#table, 1, vector * ENTRY_WORDS);
  }

  protected override wire(): void {
    this.onWrite(0, () => {
      for (let vector = 0; vector < this.vectors; vector++) this.#deliver(vector);
    });
  }

  #isMasked(vector: number): boolean {
    return MSIX_ENTRY.MASK.isSet(this.#table, vector * ENTRY_WORDS);
  }

  /** Sends the vector if it is pending and may be sent. */
  #deliver(vector: number): void {
    const bit = 1 << (vector & 31);
    if ((this.#pending[vector >>> 5]! & bit) === 0) return;
    if (!this.enabled || this.functionMasked || this.#isMasked(vector)) return;
    this.#pending[vector >>> 5]! &= ~bit;
    this.onUnmask?.(vector);
  }

  #overlap(): boolean {
    const { table, pending } = this.#spec;
    return (
      isIn(table, this.#table, pending.bar, pending.offset) || isIn(pending, this.#pending, table.bar, table.offset)
    );
  }
}

/** What software may write in each word of an entry. */
const WRITABLE = maskOf(MSIX_ENTRY, () => true);

function isIn(place: PlaceBehindBar, words: Uint32Array, bar: number, offset: number): boolean {
  return bar === place.bar && offset >= place.offset && offset < place.offset + words.length * WORD_BYTES;
}
