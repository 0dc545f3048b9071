import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Duration,
  END,
  Engine,
  type Handler,
  type Instant,
  ps,
  SimulationError,
} from '../../hardware/sim/index.ts';

/** The brute-force twin: an array, sorted by (time, sequence). */
class Twin {
  now = 0;
  #events: { at: number; sequence: number; handler: Handler; argument: number }[] = [];
  #sequence = 0;

  get pending(): number {
    return this.#events.length;
  }

  schedule(delay: Duration, handler: Handler, argument: number): void {
    this.#events.push({ at: this.now + delay, sequence: this.#sequence++, handler, argument });
    this.#events.sort((a, b) => a.at - b.at || a.sequence - b.sequence);
  }

  step(): boolean {
    return this.#fire(Infinity);
  }

  runUntil(t: Instant): void {
    while (this.#fire(t));
    this.now = t;
  }

  run(): void {
    while (this.step());
  }

  #fire(limit: number): boolean {
    if (this.#events.length === 0 || this.#events[0]!.at > limit) return false;
    const event = this.#events.shift()!;
    this.now = event.at;
    event.handler.handle(event.argument);
    return true;
  }
}

type Clockwork = Pick<Twin, 'now' | 'pending' | 'step' | 'run' | 'runUntil' | 'schedule'>;

const around = (center: number): fc.Arbitrary<number> =>
  fc.integer({ min: center < 3 ? -center : -3, max: 3 }).map((offset) => center + offset);
const HOUR = 3600e12;

/** Zero, ties, each border of the wheel's digits from both sides, and hours. */
const delay = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 0, max: 4 }),
  fc.integer({ min: 0, max: 5000 }),
  fc.integer({ min: 0, max: 5_000_000 }),
  fc.constantFrom(2 ** 10, 2 ** 20, 2 ** 30, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 50, HOUR / 3600, HOUR).chain(around),
);

type Command = { readonly kind: 'schedule' | 'step' | 'until' | 'run'; readonly delay: number };
const command: fc.Arbitrary<Command> = fc.record({
  kind: fc.constantFrom('schedule', 'schedule', 'schedule', 'schedule', 'step', 'step', 'until', 'run'),
  delay,
});

/** Carries the commands out; each event that fires schedules up to two more. Returns everything that was seen. */
function play(clockwork: Clockwork, commands: readonly Command[], children: readonly (readonly number[])[]): number[] {
  const seen: number[] = [];
  let born = 0;
  const schedule = (length: number): void => {
    if (born < 300 && clockwork.now + length <= END) clockwork.schedule(length as Duration, handler, born++);
  };
  const handler: Handler = {
    handle(argument) {
      seen.push(clockwork.now, argument);
      for (const length of children[argument % children.length]!) schedule(length);
    },
  };
  for (const { kind, delay: length } of commands) {
    if (kind === 'schedule') schedule(length);
    else if (kind === 'step') seen.push(clockwork.step() ? 1 : 0);
    else if (kind === 'run') clockwork.run();
    else if (clockwork.now + length <= END) clockwork.runUntil((clockwork.now + length) as Instant);
    seen.push(clockwork.now, clockwork.pending);
  }
  clockwork.run();
  return seen;
}

describe('the engine', () => {
  it('fires events in the order (time, scheduling), as a sorted array does', () => {
    const commands = fc.array(command, { maxLength: 60 });
    const children = fc.array(fc.array(delay, { maxLength: 2 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(commands, children, (some, offspring) => {
        expect(play(new Engine() as Clockwork, some, offspring)).toEqual(play(new Twin(), some, offspring));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps the order with many events pending at few instants, past its initial capacity', () => {
    const engine = new Engine();
    const fired: number[] = [];
    const handler: Handler = { handle: (argument) => void fired.push(argument) };
    const delays = Array.from({ length: 5000 }, (_, i) => (Math.imul(i, 2654435761) >>> 8) % 97);
    for (const [i, length] of delays.entries()) engine.schedule(ps(length * 333_333), handler, i);
    expect(engine.pending).toBe(5000);
    engine.run();
    expect(engine.pending).toBe(0);
    expect(fired).toEqual([...delays.keys()].sort((a, b) => delays[a]! - delays[b]! || a - b));
  });

  it('grows while an event is being handled', () => {
    const engine = new Engine();
    let fired = 0;
    const leaf: Handler = { handle: () => void fired++ };
    const root: Handler = {
      handle() {
        for (let i = 0; i < 3000; i++) engine.schedule(ps(i % 7), leaf, i);
      },
    };
    engine.schedule(ps(1), root, 0);
    engine.run();
    expect(fired).toBe(3000);
  });

  it('hands arguments over unchanged, whatever number they are', () => {
    const engine = new Engine();
    const given = [0, -1, 2 ** 31, 2 ** 53 - 1, 0.5, -(2 ** 40)];
    const got: number[] = [];
    for (const argument of given) engine.schedule(ps(1), { handle: (a) => void got.push(a) }, argument);
    engine.run();
    expect(got).toEqual(given);
  });

  it('fires what an event schedules for its own instant after everything that was already there', () => {
    const engine = new Engine();
    const fired: string[] = [];
    const note = (name: string): Handler => ({ handle: () => void fired.push(name) });
    const first: Handler = {
      handle() {
        fired.push('first');
        engine.schedule(ps(0), note('child'), 0);
      },
    };
    engine.schedule(ps(5), first, 0);
    engine.schedule(ps(5), note('second'), 0);
    engine.run();
    expect(fired).toEqual(['first', 'second', 'child']);
  });

  it('stops at the instant asked for, with what lies on it fired and what lies behind it pending', () => {
    const engine = new Engine();
    const fired: number[] = [];
    for (const t of [9, 10, 11]) engine.schedule(ps(t), { handle: (a) => void fired.push(a) }, t);
    engine.runUntil(10 as Instant);
    expect(fired).toEqual([9, 10]);
    expect([engine.now, engine.pending]).toEqual([10, 1]);
    expect(() => engine.runUntil(9 as Instant)).toThrow('cannot run until 9 ps: it is 10 ps');
  });

  it.each([-1, 0.5, NaN, Infinity, 2 ** 53, 2 ** 53 + 2])('refuses a delay of %d ps with a sentence', (length) => {
    const engine = new Engine();
    expect(() => engine.schedule(length as Duration, { handle() {} }, 0)).toThrow(/^cannot schedule .*(whole|ends)/);
    expect(engine.pending).toBe(0);
  });

  it('reaches the last instant of simulated time and nothing beyond it', () => {
    const engine = new Engine();
    engine.schedule(END as number as Duration, { handle() {} }, 0);
    engine.run();
    expect(engine.now).toBe(2 ** 53 - 1);
    expect(() => engine.schedule(ps(1), { handle() {} }, 0)).toThrow('simulated time ends');
  });

  it('says when and in whom a model failed, keeps the cause, and can go on', () => {
    const engine = new Engine();
    const cause = new Error('tag mismatch');
    const broken: Handler = {
      name: 'iotlb0',
      handle() {
        throw cause;
      },
    };
    engine.schedule(ps(1_234_567), broken, 0);
    engine.schedule(ps(2_000_000), { handle() {} }, 0);
    let error: unknown;
    try {
      engine.run();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(SimulationError);
    expect(error).toMatchObject({
      message: 'at 1.234567 us, in iotlb0: tag mismatch',
      who: 'iotlb0',
      at: 1_234_567,
      cause,
    });
    engine.run();
    expect(engine.now).toBe(2_000_000);
  });

  it('does not let time pass from inside an event', () => {
    const engine = new Engine();
    for (const pass of [() => engine.run(), () => engine.step(), () => engine.reset()]) {
      engine.schedule(ps(1), { handle: pass }, 0);
      expect(() => engine.run()).toThrow('from inside an event');
    }
  });

  it('is as new after a reset', () => {
    const commands: Command[] = [3, 0, 2 ** 20, 2 ** 33, 0].map((length) => ({ kind: 'schedule', delay: length }));
    const engine = new Engine();
    const fresh = play(engine as Clockwork, commands, [[5], [0, 2 ** 31], []]);
    engine.schedule(ps(7), { handle: () => expect.unreachable() }, 0);
    engine.takeId();
    engine.reset();
    expect([engine.now, engine.pending, engine.takeId()]).toEqual([0, 0, 1]);
    expect(play(engine as Clockwork, commands, [[5], [0, 2 ** 31], []])).toEqual(fresh);
  });
});
