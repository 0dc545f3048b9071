import { describe, expect, it } from 'vitest';
import { CompletionStatus, MessageCode, TlpKind } from '../../hardware/pcie/index.ts';
import { pattern } from './board.ts';
import { BAR_AT, DEVICE, RequesterBench } from './requester-bench.ts';

const { SUCCESSFUL, UNSUPPORTED_REQUEST, REQUEST_RETRY } = CompletionStatus;

describe('A function', () => {
  it('gives a message for it to its behaviour, and drops it where that takes none', () => {
    const seen: unknown[] = [];
    const hears = new RequesterBench({
      behaviour: { message: ({ messageCode, addressLo }) => seen.push([messageCode, addressLo]) },
    });
    for (const bench of [hears, new RequesterBench()]) {
      bench.send((tlp) => tlp.messageTo(DEVICE, 0, MessageCode.PAGE_REQUEST_GROUP_RESPONSE, 0x8001, 0x55));
      bench.engine.run();
      expect(bench.link.top.pool.taken).toBe(0);
    }
    expect(seen).toEqual([[MessageCode.PAGE_REQUEST_GROUP_RESPONSE, 0x55]]);
  });

  it('completes a deferrable write with success or Request Retry Status, as its behaviour accepts it or not', () => {
    const written: unknown[] = [];
    let accepts = true;
    const bench = new RequesterBench({
      behaviour: {
        deferrableWrite: (bar, offset, from, length) => {
          written.push([bar, offset, from.slice(0, length)]);
          return accepts;
        },
      },
    });
    const write = (tag: number) =>
      bench.send((tlp) => tlp.deferrableWrite(0, tag, 0, BAR_AT + 0x40, 64).data!.set(pattern(64)));
    write(1);
    bench.engine.run();
    accepts = false;
    write(2);
    bench.engine.run();
    expect(bench.answers).toEqual([
      { tag: 1, status: SUCCESSFUL, byteCount: 4, attributes: 0 },
      { tag: 2, status: REQUEST_RETRY, byteCount: 4, attributes: 0 },
    ]);
    expect(written).toEqual([
      [0, 0x40, pattern(64)],
      [0, 0x40, pattern(64)],
    ]);
  });

  it.each([
    ['a deferrable write', TlpKind.DEFERRABLE_WRITE],
    ['a FetchAdd', TlpKind.FETCH_ADD],
    ['a Swap', TlpKind.SWAP],
    ['a CAS', TlpKind.COMPARE_AND_SWAP],
  ])('answers %s that its behaviour does not know with UR, and hands it to nobody', (_, kind) => {
    const bench = new RequesterBench({ behaviour: { memoryRead: fail, memoryWrite: fail } });
    bench.send((tlp) => {
      if (kind === TlpKind.DEFERRABLE_WRITE) tlp.deferrableWrite(0, 3, 0, BAR_AT, 8);
      else tlp.atomic(kind, 0, 3, 0, BAR_AT, 8);
    });
    bench.engine.run();
    expect(bench.answers).toMatchObject([{ tag: 3, status: UNSUPPORTED_REQUEST }]);
    expect(bench.link.top.pool.taken).toBe(0);
  });

  it('answers a read in parts whose words are no more than Max_Payload_Size, wherever in a word they begin', () => {
    const parts = (offset: number, length: number) => {
      const bench = new RequesterBench({
        behaviour: { memoryRead: (_, at, into, n) => into.set(pattern(256).slice(at, at + n)) },
      });
      const seen: [lowerAddress: number, byteCount: number, length: number][] = [];
      bench.link.probe = ({ addressLo, byteCount, length }, direction) => {
        if (direction === 'upstream') seen.push([addressLo, byteCount, length]);
      };
      bench.send((tlp) => tlp.memoryRead(0, 1, 0, BAR_AT + offset, length));
      bench.engine.run();
      return seen;
    };
    expect(parts(0, 128)).toEqual([[0, 128, 128]]);
    // 127 bytes from byte 2 on touch 33 words.
    expect(parts(2, 127)).toEqual([
      [2, 127, 126],
      [0, 1, 1],
    ]);
    expect(parts(2, 126)).toEqual([[2, 126, 126]]);
  });

  it('answers configuration requests of type 1 with UR', () => {
    const bench = new RequesterBench();
    for (const kind of [TlpKind.CONFIG_READ_1, TlpKind.CONFIG_WRITE_1]) {
      bench.send((tlp) => {
        tlp.configWrite(0, 5, DEVICE, 0x3c, 1).kind = kind;
        tlp.data![0] = 0x77;
        if (kind === TlpKind.CONFIG_READ_1) tlp.data = null;
      });
      bench.engine.run();
    }
    expect(bench.answers.map(({ status }) => status)).toEqual([UNSUPPORTED_REQUEST, UNSUPPORTED_REQUEST]);
    expect(bench.function.config.read(0x3c, 1)).toBe(0);
  });
});

function fail(): never {
  throw new Error('this is not for the behaviour');
}
