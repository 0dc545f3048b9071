import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CreditLimits, Tlp, TlpKind } from '../../hardware/pcie/index.ts';
import { open, RID, write } from './link-bench.ts';

const posted = (length: number) => new Tlp().memoryWrite(RID, 0, 0x1000, length);
const read = new Tlp().memoryRead(RID, 0, 0, 0x1000, 64);
const swap = new Tlp().atomic(TlpKind.COMPARE_AND_SWAP, RID, 0, 0, 0x1000, 32);
const deferrable = new Tlp().deferrableWrite(RID, 0, 0, 0x1000, 64);
const completion = new Tlp().answer(RID, 0, 0, 0, 4);
const data = (length: number) => new Tlp().answer(RID, 0, 0, 0, length).withData(0, length);
const message = new Tlp().message(RID, 0x20);

describe('Credits of a link', () => {
  it.each<[string, CreditLimits, Tlp[], Tlp, boolean]>([
    ['a posted header is gone', { PH: 1 }, [posted(4)], posted(4), false],
    ['a message takes a posted header', { PH: 1 }, [message], posted(4), false],
    ['128 bytes take eight units', { PD: 8 }, [], posted(128), true],
    ['129 bytes take nine', { PD: 8 }, [], posted(129), false],
    ['one byte takes a unit as well', { PD: 8 }, [posted(112), posted(1)], posted(1), false],
    ['a message has no data', { PD: 8 }, [posted(128)], message, true],
    ['a read takes no data', { NPH: 1, NPD: 1 }, [], read, true],
    ['a compare-and-swap of 128 bits takes two units', { NPD: 1 }, [], swap, false],
    ['a deferrable write of 64 bytes takes four', { NPD: 4 }, [swap], deferrable, false],
    ['reads pass what waits for data', { NPD: 4 }, [deferrable], read, true],
    ['a completion takes a header', { CPLH: 1 }, [completion], completion, false],
    ['a completion with data takes units', { CPLD: 4 }, [data(48)], data(32), false],
    ['no class takes from another', { PH: 1, PD: 1, NPH: 1, NPD: 1 }, [posted(16), read], completion, true],
    ['null is infinite', { PH: null, PD: null }, Array(1000).fill(posted(4096)), posted(4096), true],
  ])('count headers and data: %s', (_, credits, sent, next, allowed) => {
    const { link } = open({ credits });
    for (const tlp of sent) link.bottom.send(Object.assign(link.bottom.take(), { ...tlp }));
    expect(link.bottom.canSend(next)).toBe(allowed);
  });

  it('are never endless: nobody can send without end to who releases nothing', () => {
    const { link } = open({ credits: {} });
    let sent = 0;
    for (; link.bottom.canSend(posted(4)); sent++) link.bottom.send(link.bottom.take().memoryWrite(RID, 0, 0x1000, 4));
    expect(sent).toBe(4096);
    expect([read, completion].map((tlp) => link.bottom.canSend(tlp))).toEqual([true, true]);
  });

  it('come back with UpdateFC, when the link has that delay', () => {
    const opened = open({ credits: { PH: 1 }, updateFc: 70 });
    const { engine, link, arrived } = opened;
    const told: number[] = [];
    link.bottom.onFree = () => told.push(engine.now);
    write(opened, 0);
    expect(link.bottom.canSend(posted(4))).toBe(false);
    engine.run();
    expect(told).toEqual([arrived[0]![1] + 70_000]);
    expect(link.bottom.canSend(posted(4))).toBe(true);
  });

  it('tell whoever waits for data when some comes back, although headers never ran out', () => {
    const opened = open({ credits: { PH: 8, PD: 16 } }, { hold: true });
    const { engine, link, held } = opened;
    for (let i = 0; i < 4; i++) write(opened, i, 64);
    engine.run();
    const could: boolean[] = [];
    link.bottom.onFree = () => could.push(link.bottom.canSend(posted(128)));
    expect(link.bottom.canSend(posted(128))).toBe(false);
    for (const tlp of held) link.top.release(tlp);
    expect(could).toEqual([false, true, true, true]);
  });

  it('that nobody can count are refused', () => {
    expect(() => open({ credits: { PH: 0 } })).toThrow('link upstream cannot have 0 credits');
    expect(() => open({ credits: { CPLD: 1.5 } })).toThrow('link upstream cannot have 1.5 credits');
  });

  it('that nobody holds cannot be released', () => {
    const opened = open({ credits: { PH: 2 } }, { hold: true });
    write(opened, 0);
    opened.engine.run();
    opened.link.top.forward(opened.held[0]!);
    expect(() => opened.link.top.forward(opened.held[0]!)).toThrow('a credit was released that nobody held');
  });

  it('are all there again after any traffic, and nothing that can go waits for ever', () => {
    const limit = (least: number) => fc.option(fc.integer({ min: least, max: least + 9 }), { nil: null });
    const credits = fc.record({
      PH: limit(1),
      PD: limit(8),
      NPH: limit(1),
      NPD: limit(2),
      CPLH: limit(1),
      CPLD: limit(8),
    });
    const tlps = fc.array(
      fc.tuple(fc.constantFrom('write', 'read', 'swap', 'completion'), fc.integer({ min: 1, max: 128 })),
    );
    fc.assert(
      fc.property(credits, tlps, fc.nat(300), fc.boolean(), (credits, tlps, updateFc, hold) => {
        const { engine, link, held, arrived } = open({ credits, updateFc }, { hold });
        const waiting = tlps.map(([kind, length], number) => {
          const tlp = link.bottom.take();
          if (kind === 'write') tlp.memoryWrite(RID, 1, 0x1000, length);
          else if (kind === 'read') tlp.memoryRead(RID, number, 1, 0x1000, length);
          else if (kind === 'swap') tlp.atomic(TlpKind.COMPARE_AND_SWAP, RID, number, 1, 0x1000, 32);
          else tlp.answer(RID, number, 0, 0, length).withData(0, length);
          tlp.tag = number;
          return tlp;
        });
        const total = waiting.length;
        const pump = () => {
          while (waiting.length > 0 && link.bottom.canSend(waiting[0]!)) link.bottom.send(waiting.shift()!);
        };
        link.bottom.onFree = pump;
        pump();
        for (engine.run(); held.length > 0; engine.run()) link.top.release(held.shift()!);
        expect(arrived.map(([tag]) => tag)).toEqual(Array.from({ length: total }, (_, i) => i));
        expect([waiting.length, link.top.pool.taken]).toEqual([0, 0]);
        for (const tlp of [posted(128), read, swap, completion, data(128)]) expect(link.bottom.canSend(tlp)).toBe(true);
      }),
    );
  });
});
