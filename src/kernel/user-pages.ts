/**
 * Frames that belong to processes. A frame is freed when its process has given it up and nobody has it pinned any more, so
 * a device never writes into a page that has found a new owner.
 */
import type { PageNumber } from '../../hardware/bits/index.ts';
import type { PageAllocator } from './page-allocator.ts';

export class UserPages {
  readonly #allocator: PageAllocator;
  /** Holders beyond the first. */
  readonly #shared = new Map<PageNumber, number>();
  #pinned = 0;

  constructor(allocator: PageAllocator) {
    this.#allocator = allocator;
  }

  /** Number of pins that are not released. */
  get pinned(): number {
    return this.#pinned;
  }

  pin(frame: PageNumber): void {
    this.#pinned++;
    this.#shared.set(frame, (this.#shared.get(frame) ?? 0) + 1);
  }

  unpin(frame: PageNumber): void {
    this.#pinned--;
    this.release(frame);
  }

  /** One holder less. */
  release(frame: PageNumber): void {
    const others = this.#shared.get(frame) ?? 0;
    if (others === 0) this.#allocator.release(frame);
    else if (others === 1) this.#shared.delete(frame);
    else this.#shared.set(frame, others - 1);
  }
}
