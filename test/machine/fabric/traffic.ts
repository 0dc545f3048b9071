/** Arbitrary traffic, as plain data: what the functions and the CPU ask for, several things at a time. */
import fc from 'fast-check';

/**
 * What a function does, a message to another and what it tells the host among it; and what the CPU does in its place: a
 * register read or written, and so on.
 */
const DEEDS = ['read', 'write', 'atomic', 'deferrable', 'message', 'tell', 'interrupt'] as const;
const CPU_DEEDS = ['load', 'store', 'direct', 'enqueue', 'config-read', 'config-write'] as const;

export interface Step<D = (typeof DEEDS)[number] | (typeof CPU_DEEDS)[number]> {
  readonly deed: D;
  /** 0 is the host, where there is a choice; functions follow. Taken modulo their number. */
  readonly target: number;
  readonly offset: number;
  readonly length: number;
  /** Bits of `Attribute`. */
  readonly attributes: number;
  readonly pasid: number | undefined;
  readonly translated: boolean;
  /** Nanoseconds before. */
  readonly pause: number;
  /** The next step begins when this one has ended. */
  readonly wait: boolean;
}

/** Steps one after the other. */
export interface Thread {
  /** A function, modulo their number. */
  readonly source: number;
  readonly steps: readonly Step<(typeof DEEDS)[number]>[];
}

export interface Traffic {
  readonly threads: readonly Thread[];
  readonly cpu: readonly (readonly Step<(typeof CPU_DEEDS)[number]>[])[];
}

/** Bytes from the first that may be named to the last that may be touched. */
export const AREA = 0x1000;
const LONGEST = 0x600;

function steps<D>(deed: fc.Arbitrary<D>, most: number, translated: fc.Arbitrary<boolean>): fc.Arbitrary<Step<D>[]> {
  const pause = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(4000) });
  return fc.array(
    fc.record({
      deed,
      target: fc.oneof({ weight: 1, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(40) }),
      offset: fc.oneof(fc.nat(0x40), fc.nat(AREA - LONGEST - 1)),
      length: fc.oneof(fc.nat(16), fc.nat(LONGEST)),
      attributes: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(7) }),
      pasid: fc.option(fc.constantFrom(1, 0xfffff), { nil: undefined, freq: 2 }),
      translated,
      pause,
      wait: fc.boolean(),
    }),
    { minLength: 1, maxLength: most },
  );
}

/** `translated`: some requests say that their address is translated already. */
export function traffic(translated: boolean): fc.Arbitrary<Traffic> {
  const often = { weight: 3, arbitrary: fc.constantFrom('read' as const, 'write' as const) };
  const deed = fc.oneof(often, { weight: 2, arbitrary: fc.constantFrom(...DEEDS) });
  const sometimes = translated ? fc.boolean() : fc.constant(false);
  return fc.record({
    threads: fc.array(fc.record({ source: fc.nat(40), steps: steps(deed, 8, sometimes) }), {
      minLength: 1,
      maxLength: 8,
    }),
    cpu: fc.array(steps(fc.constantFrom(...CPU_DEEDS), 8, fc.constant(false)), { maxLength: 3 }),
  });
}
