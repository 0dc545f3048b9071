import { describe, expect, it } from 'vitest';
import { CompletionStatus, DmaStatus, dmaTarget } from '../../hardware/pcie/index.ts';
import { type AtsBench, bench, memory } from './bench.ts';

const { SUCCESS } = DmaStatus;

describe('A device that gets a strange answer to a translation request', () => {
  const word = (...bytes: number[]) => bytes;

  it.each<[string, (b: AtsBench, asked: AtsBench['seen'][number]) => void]>([
    ['of 4 bytes', (b, asked) => b.complete(asked, word(0, 0, 0, 0))],
    ['of 12 bytes, the last of them no entry', (b, asked) => b.complete(asked, [...Array<number>(11).fill(0), 3])],
    ['of more entries than were asked for', (b, asked) => b.complete(asked, Array<number>(64).fill(0xff))],
    ['without data', (b, asked) => b.refuse(asked, CompletionStatus.SUCCESSFUL)],
    ['of all ones', (b, asked) => b.complete(asked, Array<number>(16).fill(0xff))],
    ['with every reserved bit', (b, asked) => b.complete(asked, word(0, 0, 0, 0, 0, 0x50, 0x03, 0xc3))],
    [
      'that promises more than ever comes',
      (b, asked) => b.complete(asked, Array<number>(8).fill(0), { byteCount: 16 }),
    ],
    [
      'that stands for nothing that was asked',
      (b, asked) => b.complete({ ...asked, tag: 31 }, word(1, 2, 3, 4, 5, 6, 7, 8)),
    ],
    [
      'of which the second half is UR',
      (b, asked) => {
        b.complete(asked, word(0, 0, 0, 0, 0, 0x50, 0, 3), { byteCount: 16 });
        b.refuse(asked, CompletionStatus.UNSUPPORTED_REQUEST);
      },
    ],
    [
      'of two sizes',
      (b, asked) =>
        b.translate(asked, [
          { read: true, shift: 12 },
          { read: true, shift: 21 },
        ]),
    ],
    [
      'that comes twice',
      (b, asked) => {
        b.translate(asked, b.told(asked));
        b.translate(asked, b.told(asked));
      },
    ],
  ])('%s neither fails nor waits for ever, and goes on afterwards', (_, answer) => {
    const b = bench({ ats: { translations: 2 } });
    const { onTranslation } = b;
    b.onTranslation = (asked) => answer(b, asked);
    const task = b.spawn(b.dma.read(dmaTarget(0x10_000), 0x1010));
    b.engine.run();
    expect(task.ended).toBe(true);
    b.onTranslation = onTranslation;
    b.enableAts(false);
    b.enableAts(true);
    expect(b.run(b.dma.read(dmaTarget(0x10_000), 16))).toEqual({ status: SUCCESS, data: memory(0x50_0000n, 16) });
  });
});
