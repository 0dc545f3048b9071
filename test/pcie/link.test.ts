import { describe, expect, it } from 'vitest';
import { type Generation, LINK, Link, linkRate, Tlp, TlpKind, type Width } from '../../hardware/pcie/index.ts';
import { Engine } from '../../hardware/sim/index.ts';

const RID = 0x0008;
const WRITE = new Tlp().memoryWrite(RID, 0, 0x1000, 4);

describe('The rate of a link', () => {
  it.each([
    [1, 1, 4000, 1],
    [1, 16, 250, 1],
    [2, 4, 500, 1],
    [3, 4, 8125, 32],
    [3, 8, 8125, 64],
    [4, 16, 8125, 256],
    [5, 16, 8125, 512],
    [6, 16, 500, 59],
  ])('of generation %i with %i lanes is one byte in exactly %i/%i ps', (generation, width, numerator, denominator) => {
    const rate = linkRate(generation as Generation, width as Width);
    expect([rate.numerator, rate.denominator]).toEqual([numerator, denominator]);
  });

  it.each([
    [1, [0.25, 1, 2, 4]],
    [2, [0.5, 2, 4, 8]],
    [3, [0.985, 3.938, 7.877, 15.754]],
    [4, [1.969, 7.877, 15.754, 31.508]],
    [5, [3.938, 15.754, 31.508, 63.015]],
    [6, [7.375, 29.5, 59, 118]],
  ])('of generation %i is the published one for x1, x4, x8 and x16', (generation, published) => {
    const rates = ([1, 4, 8, 16] as const).map((width) => {
      const { numerator, denominator } = linkRate(generation as Generation, width);
      return Number(((denominator * 1000) / numerator).toFixed(3));
    });
    expect(rates).toEqual(published);
  });
});

describe('A link', () => {
  it('delivers a TLP when its last byte has left and the latency has passed', () => {
    const { engine, link, arrivals } = open({ latency: 150 });
    link.bottom.send(link.bottom.take().memoryWrite(RID, 0, 0x1000, 256));
    engine.run();
    // 276 bytes of 8125/32 ps and 150 ns.
    expect(arrivals).toEqual([Math.ceil((276 * 8125) / 32) + 150_000]);
  });

  it('moves a long train of TLPs at the exact rate, without gaining or losing a picosecond', () => {
    const { engine, link, arrivals } = open({ latency: 0, credits: { PH: 1000, NPH: 1 } });
    for (let i = 0; i < 1000; i++) link.bottom.send(link.bottom.take().memoryWrite(RID, 0, 0x1000, 64));
    engine.run();
    expect(arrivals).toEqual(Array.from({ length: 1000 }, (_, i) => Math.ceil(((i + 1) * 84 * 8125) / 32)));
  });

  it('delivers what was sent first first, also across flow-control classes', () => {
    const { engine, link, kinds } = open();
    const { bottom } = link;
    bottom.send(bottom.take().memoryRead(RID, 0, 0, 0x1000, 64));
    bottom.send(bottom.take().memoryWrite(RID, 0, 0x1000, 256));
    bottom.send(bottom.take().answer(RID, 0, 0, 0, 4).withData(0, 4));
    engine.run();
    expect(kinds).toEqual([TlpKind.MEMORY_READ, TlpKind.MEMORY_WRITE, TlpKind.COMPLETION_DATA]);
  });

  it('takes no more requests than it has credits, and a class without credits holds up no other', () => {
    const { link } = open({ credits: { PH: 1, NPH: 1 } });
    const { bottom } = link;
    bottom.send(bottom.take().memoryRead(RID, 0, 0, 0x1000, 64));
    expect(bottom.canSend(new Tlp().memoryRead(RID, 1, 0, 0x1000, 64))).toBe(false);
    expect(bottom.canSend(WRITE)).toBe(true);
    expect(bottom.canSend(new Tlp().answer(RID, 0, 0, 0, 4))).toBe(true);
    expect(() => bottom.send(bottom.take().memoryRead(RID, 1, 0, 0x1000, 64))).toThrow('without a credit');
  });

  it('returns the credit when the receiving end releases the TLP, and says so', () => {
    const { engine, link, held } = open({ credits: { PH: 1, NPH: 1 } }, false);
    let told = 0;
    link.bottom.onFree = () => told++;
    link.bottom.send(link.bottom.take().memoryWrite(RID, 0, 0x1000, 4));
    engine.run();
    expect([link.bottom.canSend(WRITE), told]).toEqual([false, 0]);
    link.top.release(held[0]!);
    expect([link.bottom.canSend(WRITE), told, link.top.pool.taken]).toEqual([true, 1, 0]);
  });

  it('shows each TLP with its direction to a probe, and counts TLPs and bytes', () => {
    const { engine, link } = open();
    const seen: unknown[] = [];
    link.probe = (tlp, direction) => seen.push([tlp.length, direction]);
    link.bottom.send(link.bottom.take().memoryWrite(RID, 0, 0x1000, 64));
    link.top.send(link.top.take().memoryRead(0, 0, 0, 0x1000, 8));
    engine.run();
    expect(seen).toEqual([
      [64, 'upstream'],
      [8, 'downstream'],
    ]);
    const faults = { naks: 0, replayed: 0, retrains: 0, lost: 0 };
    expect(link.state).toEqual({
      isUp: true,
      upstream: { tlps: 1, bytes: 84, ...faults },
      downstream: { tlps: 1, bytes: 20, ...faults },
    });
  });

  it('has all its credits and nothing under way after a reset', () => {
    const { engine, link, arrivals } = open({ credits: { PH: 1, NPH: 1 } });
    link.bottom.send(link.bottom.take().memoryWrite(RID, 0, 0x1000, 64));
    link.reset();
    engine.run();
    expect(arrivals).toEqual([]);
    expect(link.bottom.canSend(WRITE)).toBe(true);
    expect(link.top.pool.taken).toBe(0);
    expect(link.state.upstream).toEqual({ tlps: 0, bytes: 0, naks: 0, replayed: 0, retrains: 0, lost: 0 });
  });
});

function open(spec: Partial<typeof LINK> = {}, release = true) {
  const engine = new Engine();
  const link = new Link(engine, { ...LINK, ...spec }, 'link');
  const arrivals: number[] = [];
  const kinds: number[] = [];
  const held: Tlp[] = [];
  for (const end of [link.top, link.bottom]) {
    end.receive = (tlp) => {
      arrivals.push(engine.now);
      kinds.push(tlp.kind);
      if (release) end.release(tlp);
      else held.push(tlp);
    };
  }
  return { engine, link, arrivals, kinds, held };
}
