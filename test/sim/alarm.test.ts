import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Alarm, after, Engine, type Instant, ns, ps } from '../../hardware/sim/index.ts';

const at = (picoseconds: number) => picoseconds as Instant;

describe('An alarm', () => {
  it('rings once, at the instant that it was set to last', () => {
    const engine = new Engine();
    const rung: number[] = [];
    const alarm = new Alarm(engine, 'alarm', () => rung.push(engine.now));
    alarm.set(at(500));
    alarm.set(at(200));
    alarm.set(at(300));
    engine.run();
    expect(rung).toEqual([300]);
    expect([engine.pending, alarm.due]).toEqual([0, Infinity]);
  });

  it('keeps nobody waiting while it is off', () => {
    const engine = new Engine();
    const alarm = new Alarm(engine, 'alarm', () => {});
    alarm.set(at(1_000_000));
    alarm.off();
    engine.schedule(ns(1), { handle: () => {} }, 0);
    expect(engine.pending).toBe(1);
    engine.run();
    expect([engine.now, engine.pending]).toEqual([1_000, 0]);
  });

  it('lets a task that waits for nothing else be a deadlock', () => {
    const engine = new Engine();
    const alarm = new Alarm(engine, 'alarm', () => {});
    alarm.set(at(1_000_000));
    alarm.off();
    const task = engine.spawn(
      (function* () {
        yield ns(1);
        yield new Promise(() => {}) as never;
      })(),
    );
    expect(() => engine.runUntilDone(task)).toThrow();
    expect(engine.now).toBe(1_000);
  });

  it('is off after a reset of the engine, and can be set again', () => {
    const engine = new Engine();
    const rung: number[] = [];
    const alarm = new Alarm(engine, 'alarm', () => rung.push(engine.now));
    alarm.set(at(100));
    engine.reset();
    expect(alarm.due).toBe(Infinity);
    alarm.off();
    engine.run();
    expect([engine.now, engine.pending]).toEqual([0, 0]);
    alarm.set(at(70));
    expect(engine.pending).toBe(1);
    engine.run();
    expect(rung).toEqual([70]);
  });

  it('rings as a plain list of what was asked of it says, however it is set and called off', () => {
    const step = fc.record({
      wait: fc.nat(40),
      set: fc.option(fc.nat(100), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const engine = new Engine();
        const rung: number[] = [];
        const alarm = new Alarm(engine, 'alarm', () => rung.push(engine.now));
        const expected: number[] = [];
        let due = Infinity;
        for (const { wait, set } of steps) {
          engine.runUntil(after(engine.now, ps(wait)));
          if (due <= engine.now) {
            expected.push(due);
            due = Infinity;
          }
          if (set === undefined) {
            alarm.off();
            due = Infinity;
          } else {
            due = engine.now + set;
            alarm.set(at(due));
          }
          expect([alarm.due, engine.pending]).toEqual([due, due === Infinity ? 0 : 1]);
        }
        engine.run();
        if (due !== Infinity) expected.push(due);
        expect(rung).toEqual(expected);
        expect(engine.pending).toBe(0);
        engine.runUntil(at(1_000_000));
        expect(engine.pending).toBe(0);
      }),
    );
  });
});
