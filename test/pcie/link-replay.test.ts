import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LINK, type LinkErrors, Tlp } from '../../hardware/pcie/index.ts';
import { Damage } from '../../hardware/pcie/link-errors.ts';
import { ns } from '../../hardware/sim/index.ts';
import { open, write } from './link-bench.ts';

const errors = (rest: Partial<LinkErrors>): LinkErrors => ({ retrain: 1000, seed: 1, ...rest });

/** The first seed whose errors strike the first TLPs upstream as `pattern` says. */
function seedFor(tlpErrorRate: number, pattern: readonly boolean[]): number {
  for (let seed = 0; ; seed++) {
    const damage = new Damage(errors({ tlpErrorRate, seed }), 'link upstream');
    if (pattern.every((strikes) => damage.strikes(88) === strikes)) return seed;
  }
}

describe('A TLP that arrives damaged', () => {
  const [TRANSMISSION, LATENCY, NAK] = [88 * 4000, 150_000, 8 * 4000];
  const link = (tlpErrorRate: number, pattern: boolean[]) =>
    open({
      generation: 1,
      width: 1,
      latency: 150,
      errors: errors({ tlpErrorRate, seed: seedFor(tlpErrorRate, pattern) }),
    });

  it('is sent again with all that follows it, in order', () => {
    const opened = link(0.3, [false, true, false, false, false]);
    for (let i = 0; i < 4; i++) write(opened, i);
    opened.engine.run();
    // TLP 1 arrives damaged, its Nak arrives, and TLPs 1 to 3 go out again.
    const again = 2 * TRANSMISSION + LATENCY + NAK + LATENCY;
    expect(opened.arrived).toEqual([
      [0, TRANSMISSION + LATENCY],
      [1, again + TRANSMISSION + LATENCY],
      [2, again + 2 * TRANSMISSION + LATENCY],
      [3, again + 3 * TRANSMISSION + LATENCY],
    ]);
    expect(opened.link.state.upstream).toMatchObject({ tlps: 4, naks: 1, replayed: 3, retrains: 0, lost: 0 });
    expect(opened.link.top.pool.taken).toBe(0);
  });

  it('four times without progress makes the link retrain, in both directions', () => {
    const opened = link(0.5, [true, true, true, true, false]);
    const { engine, link: it } = opened;
    write(opened, 0);
    const round = TRANSMISSION + LATENCY + NAK + LATENCY;
    engine.runUntil((4 * round) as never);
    expect(it.state.upstream).toMatchObject({ naks: 4, replayed: 4, retrains: 1 });
    let back = 0;
    it.bottom.receive = (tlp) => {
      back = engine.now;
      it.bottom.release(tlp);
    };
    it.top.send(it.top.take().memoryRead(0, 0, 1, 0x1000, 4));
    engine.run();
    expect(opened.arrived).toEqual([[0, 4 * round + ns(1000) + TRANSMISSION + LATENCY]]);
    expect(back).toBeGreaterThanOrEqual(4 * round + ns(1000) + 24 * 4000 + LATENCY);
  });

  it('is as likely as its bits: the same rate strikes a longer one more often', () => {
    const damage = new Damage(errors({ bitErrorRate: 1e-4 }), 'link');
    const share = (bytes: number) =>
      Array.from({ length: 20_000 }, () => damage.strikes(bytes)).filter(Boolean).length / 20_000;
    // 1 − (1 − 10⁻⁴)^(8 · bytes)
    expect(share(20)).toBeCloseTo(0.0159, 2);
    expect(share(1000)).toBeCloseTo(0.5507, 1);
  });

  it('is damaged the same way every time with the same seed, also after a reset', () => {
    const opened = open({ errors: errors({ tlpErrorRate: 0.4 }), credits: {} });
    const run = () => {
      for (let i = 0; i < 50; i++) write(opened, i);
      opened.engine.run();
      return [opened.arrived.splice(0).map(([, at]) => at), opened.link.state];
    };
    const first = run();
    opened.engine.reset();
    opened.link.reset();
    expect(opened.link.state.upstream).toMatchObject({ naks: 0, replayed: 0 });
    expect(run()).toEqual(first);
    expect(opened.link.state.upstream.naks).toBeGreaterThan(10);
  });

  it('of a rate that lets nothing through is refused', () => {
    expect(() => open({ errors: errors({ tlpErrorRate: 1 }) })).toThrow('an error rate of 1');
  });
});

describe('Whatever is damaged on a link,', () => {
  it('each TLP arrives once and in order, and all credits come back', () => {
    fc.assert(
      fc.property(
        fc.record({
          tlpErrorRate: fc.double({ min: 0, max: 0.8, noNaN: true }),
          bitErrorRate: fc.constantFrom(0, 1e-6, 1e-4),
          seed: fc.nat(),
        }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 256 }), fc.nat(5000)), { maxLength: 60 }),
        fc.nat(200),
        (rates, tlps, updateFc) => {
          const opened = open({ ...LINK, credits: { PH: 4, PD: 24 }, updateFc, errors: errors(rates) });
          const { engine, link } = opened;
          let next = 0;
          const pump = () => {
            while (next < tlps.length) {
              const tlp = link.bottom.take().memoryWrite(8, 1, 0x1000, tlps[next]![0]);
              if (!link.bottom.canSend(tlp)) return link.bottom.give(tlp);
              tlp.tag = next++;
              link.bottom.send(tlp);
            }
          };
          link.bottom.onFree = pump;
          pump();
          engine.run();
          expect(opened.arrived.map(([tag]) => tag)).toEqual(tlps.map((_, i) => i));
          expect([link.top.pool.taken, link.state.upstream.lost]).toEqual([0, 0]);
          expect(link.bottom.canSend(link.bottom.take().memoryWrite(8, 1, 0x1000, 384))).toBe(true);
        },
      ),
    );
  });
});

describe('A link that goes down', () => {
  it('loses what is under way to the pool, tells both ends, and lets those who wait go on', () => {
    const opened = open({ credits: { PH: 2 } });
    const { engine, link, arrived } = opened;
    const said: unknown[] = [];
    link.top.onChange = (isUp) => said.push(['top', isUp]);
    link.bottom.onChange = (isUp) => said.push(['bottom', isUp]);
    link.bottom.onFree = () => said.push('free');
    write(opened, 0);
    write(opened, 1);
    link.goDown();
    expect(said).toEqual([['top', false], ['bottom', false], 'free']);
    write(opened, 2);
    engine.run();
    expect([arrived, link.isUp, link.state.upstream.lost, link.top.pool.taken]).toEqual([[], false, 3, 0]);
    link.goUp();
    write(opened, 3);
    write(opened, 4);
    engine.run();
    expect(arrived.map(([tag]) => tag)).toEqual([3, 4]);
    expect(said.slice(3, 5)).toEqual([
      ['top', true],
      ['bottom', true],
    ]);
  });

  it('does not get twice the credits of what was held while it was down', () => {
    const opened = open({ credits: { PH: 2, PD: 8 }, updateFc: 10 }, { hold: true });
    const { engine, link, held } = opened;
    write(opened, 0);
    write(opened, 1);
    engine.run();
    link.top.release(held.shift()!);
    link.goDown();
    link.goUp();
    write(opened, 2);
    write(opened, 3);
    link.top.release(held.shift()!);
    engine.run();
    const probe = link.bottom.take().memoryWrite(8, 1, 0x1000, 64);
    expect(link.bottom.canSend(probe)).toBe(false);
    link.bottom.give(probe);
    for (const tlp of held) link.top.release(tlp);
    engine.run();
    expect([link.bottom.canSend(probe), link.top.pool.taken]).toEqual([true, 0]);
  });

  it('at any moment, on any wire, loses only what was under way, and neither credits nor TLPs for good', () => {
    const action = fc.constantFrom('send', 'send', 'send', 'step', 'step', 'release', 'down', 'up');
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 150 }),
        fc.nat(100),
        fc.constantFrom(0, 0.4),
        (actions, updateFc, rate) => {
          const spec = { credits: { PH: 3, PD: 12 }, updateFc, errors: errors({ tlpErrorRate: rate }) };
          const opened = open(spec, { hold: true });
          const { engine, link, held, arrived } = opened;
          const probe = new Tlp().memoryWrite(8, 1, 0x1000, 64);
          let sent = 0;
          for (const what of actions) {
            if (what === 'send' && link.bottom.canSend(probe)) write(opened, sent++);
            if (what === 'step') engine.step();
            if (what === 'release' && held.length > 0) link.top.release(held.shift()!);
            if (what === 'down') link.goDown();
            if (what === 'up') link.goUp();
          }
          link.goUp();
          for (engine.run(); held.length > 0; engine.run()) link.top.release(held.shift()!);
          const tags = arrived.map(([tag]) => tag);
          expect(tags).toEqual([...new Set(tags)].sort((a, b) => a - b));
          expect(tags.length + link.state.upstream.lost).toBe(sent);
          expect(link.top.pool.taken).toBe(0);
          expect(link.bottom.canSend(new Tlp().memoryWrite(8, 1, 0x1000, 192))).toBe(true);
          for (let i = 0; i < 3; i++) write(opened, i);
          expect(link.bottom.canSend(probe)).toBe(false);
        },
      ),
    );
  });

  it('forgets a Nak that is under way', () => {
    const seed = seedFor(0.5, [true, false]);
    const opened = open({ errors: errors({ tlpErrorRate: 0.5, seed }) });
    const { engine, link, arrived } = opened;
    write(opened, 0);
    while (link.state.upstream.naks === 0) engine.step();
    link.goDown();
    link.goUp();
    write(opened, 1);
    engine.run();
    expect(arrived.map(([tag]) => tag)).toEqual([1]);
    expect(link.state.upstream).toMatchObject({ replayed: 0, lost: 1 });
  });
});

describe('Around the port of a direction', () => {
  it('something may see and lose TLPs, when it is put in', () => {
    const opened = open();
    const { engine, link, arrived } = opened;
    const { port } = link.upstream;
    link.upstream.port = {
      canSend: (tlp) => port.canSend(tlp),
      send: (tlp) => (tlp.tag === 1 ? link.bottom.give(tlp) : port.send(tlp)),
    };
    for (let i = 0; i < 3; i++) write(opened, i);
    engine.run();
    expect(arrived.map(([tag]) => tag)).toEqual([0, 2]);
    expect(link.top.pool.taken).toBe(0);
  });
});
