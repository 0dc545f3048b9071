/** A unit's register page as its driver uses it: whole registers by layout, and waits that end. */
import type { AnyLayout, Values } from '../../../hardware/bits/index.ts';
import { encode, joinHalves } from '../../../hardware/bits/index.ts';
import { type Engine, ns, type Script } from '../../../hardware/sim/index.ts';
import type { Bus } from '../bus.ts';

export class RegisterPage {
  readonly #engine: Engine;
  readonly #bus: Bus;
  readonly #base: number;

  constructor(engine: Engine, bus: Bus, base: number) {
    this.#engine = engine;
    this.#bus = bus;
    this.#base = base;
  }

  /** The register's words at their place in the page, so that its fields read them. */
  *read(register: AnyLayout): Script<Uint32Array> {
    const offset = register.$.offset!;
    const words = new Uint32Array(offset / 4 + register.$.words);
    words.set(yield* this.readAt(offset, register.$.bits === 64 ? 8 : 4), offset / 4);
    return words;
  }

  /** One word, or the two of an 8-byte read, at a place that a capability gives. */
  *readAt(offset: number, size: 4 | 8): Script<Uint32Array> {
    const value = yield* this.#bus.mmioRead(this.#base + offset, size);
    return Uint32Array.of(Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n))).slice(
      0,
      size / 4,
    );
  }

  *write<L extends AnyLayout>(register: L, values: Values<L>): Script {
    yield* this.writeAt(register.$.offset!, encode(register, values));
  }

  *writeAt(offset: number, words: Uint32Array): Script {
    if (words.length === 1) yield* this.#bus.mmioWrite(this.#base + offset, 4, BigInt(words[0]!));
    else yield* this.#bus.mmioWrite(this.#base + offset, 8, joinHalves(words[1]!, words[0]!));
  }

  /** Looks again and again, ever more slowly; false when the time for hardware is over. */
  *waitUntil(look: () => Script<boolean>): Script<boolean> {
    const { pollFirst, pollLongest, hardwareTimeout } = this.#bus.cost;
    const end = this.#engine.now + ns(hardwareTimeout);
    for (let pause = pollFirst; ; pause = Math.min(pause * 2, pollLongest)) {
      if (yield* look()) return true;
      if (this.#engine.now >= end) return false;
      yield ns(pause);
    }
  }
}

/** What a read gives where there is no register. */
export function isAllOnes({ $ }: AnyLayout, words: Uint32Array): boolean {
  return words.subarray($.offset! / 4).every((word) => word === 0xffff_ffff);
}
