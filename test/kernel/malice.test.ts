/** A program that passes anything at all: every call ends with a number, nothing throws, nothing is left behind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { errnoName, IOASID_COMMANDS, VFIO_COMMANDS } from '../../src/uapi/index.ts';
import { Bench, DEV, PAGE, setUp } from './bench.ts';

const NUMBERS = [...IOASID_COMMANDS, ...VFIO_COMMANDS].map(({ number }) => number);

/** Values that structures are made of: small ones, aligned ones, ends of ranges. */
const word = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 3n, 4n, 0x1000n, 0x2000n, 0x4000_0000n, 0x4000_1000n, 0xfee0_0000n),
  fc.constantFrom(0xffff_ffffn, 0xffff_f000n, 2n ** 48n - 4096n, 2n ** 63n, 2n ** 64n - 4096n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
const half = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 16, 24, 32, 40, 48, 4096, 4097, 0xffff_ffff), fc.nat(0xffff_ffff));

const structure = fc
  .tuple(half, half, half, half, fc.array(word, { maxLength: 5 }))
  .map(([argsz, flags, a, b, rest]) => {
    const bytes = new Uint8Array(16 + rest.length * 8);
    const view = new DataView(bytes.buffer);
    [argsz, flags, a, b].forEach((value, i) => {
      view.setUint32(i * 4, value, true);
    });
    rest.forEach((value, i) => {
      view.setBigUint64(16 + i * 8, value, true);
    });
    return bytes;
  });

const fd = fc.oneof(fc.integer({ min: -2, max: 8 }), fc.constantFrom(2 ** 31, -1.5, Number.NaN, 2 ** 53));
const request = fc.oneof(fc.constantFrom(...NUMBERS), fc.integer(), fc.constantFrom(Number.NaN, 2 ** 40, -1));
const size = fc.oneof(fc.constantFrom(0, 1, 4, 8, 4096, 16384, 2 ** 31, -1, 1.5, Number.NaN), fc.nat(20_000));

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ what: fc.constant('ioctl' as const), fd, request, structure, loose: fc.option(word) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('open' as const), path: fc.constantFrom(...DEV, '/dev/ioasid', '/', '') }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('close' as const), fd }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('pread' as const), fd, address: word, size, offset: word }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('pwrite' as const), fd, address: word, size, offset: word }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('mmap' as const), size }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('munmap' as const), address: word, size }) },
);

describe('a malicious program', () => {
  it('only ever gets numbers and known errnos, and everything it had is given back', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const bench = Bench.up();
        const { allocator, pages } = bench.kernel;
        const before = allocator.inUse;
        bench.run(
          (function* (): Script {
            const { program, memory } = yield* setUp(bench, 4 * PAGE);
            const { system } = program;
            for (const step of steps) {
              let result: number | bigint = 0;
              if (step.what === 'ioctl') {
                const address = step.loose ?? memory;
                system.store(address, step.structure);
                result = yield* system.ioctl(step.fd, step.request, address);
              } else if (step.what === 'open') result = yield* system.open(step.path);
              else if (step.what === 'close') result = yield* system.close(step.fd);
              else if (step.what === 'pread')
                result = yield* system.pread(step.fd, step.address, step.size, step.offset);
              else if (step.what === 'pwrite')
                result = yield* system.pwrite(step.fd, step.address, step.size, step.offset);
              else if (step.what === 'mmap') result = yield* system.mmap(step.size);
              else result = yield* system.munmap(step.address, step.size);
              if (result < 0) expect(errnoName(result)).toBeDefined();
              else expect(result >= 0).toBe(true);
            }
            yield* system.exit();
          })(),
        );
        expect(allocator.inUse).toEqual(before);
        expect(pages.pinned).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
