/** What a root I/O page table has of processes: pinned, and charged once for each page however often it is mapped. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import type { AddressSpace, Pinned } from '../memory/address-space.ts';
import { LockedPages } from '../memory/locked-pages.ts';
import type { RegisteredMemory } from './registered-memory.ts';

export interface PinRequest {
  readonly space: AddressSpace;
  /** Where the pages have to be registered, once anything is. */
  readonly registered: RegisteredMemory;
  readonly source: PageNumber;
  readonly pages: number;
  readonly protection: Protection;
}

export class RootPages {
  readonly #charged = new WeakMap<AddressSpace, LockedPages>();

  /** Pinned now, and charged unless this table has them already; or both once for all when it was registered. */
  pin({ space, registered, source, pages, protection }: PinRequest): Pinned | number {
    if (!registered.isEmpty) return registered.borrow(space, { first: source, pages }, protection.write);
    const charged = this.#charged.get(space) ?? new LockedPages();
    this.#charged.set(space, charged);
    return space.pin(source, pages, protection.write, charged);
  }
}
