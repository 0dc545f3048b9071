import { describe, expect, it } from 'vitest';
import {
  type Duration,
  Engine,
  firstOf,
  Gate,
  type Instant,
  ns,
  ps,
  type Script,
  Semaphore,
  Signal,
  timer,
  type Wait,
  waitFor,
} from '../../hardware/sim/index.ts';

describe('a script', () => {
  it('lets simulated time pass and ends with a result', () => {
    const engine = new Engine();
    function* inner(): Script<number> {
      yield ns(2);
      return engine.now;
    }
    function* outer(): Script<string> {
      yield ns(1);
      const at = yield* inner();
      return `back at ${at}`;
    }
    const task = engine.spawn(outer(), 'reader');
    expect([task.name, task.ended]).toEqual(['reader', false]);
    expect(engine.runUntilDone(task)).toBe('back at 3000');
    expect(task.result).toBe('back at 3000');
  });

  it('starts behind what was already scheduled for the instant', () => {
    const engine = new Engine();
    const order: string[] = [];
    function* say(word: string): Script {
      order.push(word);
      yield ps(0);
      order.push(word.toUpperCase());
    }
    engine.spawn(say('a'));
    engine.spawn(say('b'));
    expect(order).toEqual([]);
    engine.run();
    expect(order).toEqual(['a', 'b', 'A', 'B']);
  });

  it('can wait for another task and gets its result', () => {
    const engine = new Engine();
    const child = engine.spawn(
      (function* (): Script<number> {
        yield ns(5);
        return 42;
      })(),
    );
    const parent = engine.spawn(
      (function* (): Script<readonly [number, number]> {
        const value = yield* waitFor(child.done);
        return [value, yield child.done];
      })(),
    );
    expect(engine.runUntilDone(parent)).toEqual([42, 42]);
    expect(engine.now).toBe(5000);
  });

  it('that throws stops the run, with the time and the name of its task', () => {
    const engine = new Engine();
    const cause = new Error('no such PASID');
    const task = engine.spawn(
      // biome-ignore lint/correctness/useYield: it fails at once.
      (function* (): Script {
        throw cause;
      })(),
      'driver',
    );
    expect(() => engine.run()).toThrow(
      expect.objectContaining({ message: 'at 0.000000 us, in driver: no such PASID', cause }),
    );
    expect(task.ended).toBe(false);
    expect(() => task.result).toThrow('the end of driver has not fired');
  });

  it.each([
    [undefined, 'a script yielded undefined: it may yield a Duration or a Signal'],
    [-5, 'cannot schedule -5 ps'],
  ])('that yields %s is told so', (wrong, sentence) => {
    const engine = new Engine();
    engine.spawn(
      (function* (): Script {
        yield wrong as unknown as Wait;
      })(),
    );
    expect(() => engine.run()).toThrow(`in task 1: ${sentence}`);
  });

  it('that can never end is a deadlock, named with what it waits for', () => {
    const engine = new Engine();
    const never = new Signal(engine, 'the invalidation completion');
    const task = engine.spawn(
      (function* (): Script {
        yield ns(7);
        yield never;
      })(),
      'unmap',
    );
    expect(() => engine.runUntilDone(task)).toThrow(
      'deadlock at 0.007000 us: nothing is left to happen, and unmap still waits for the invalidation completion',
    );
  });

  it('leaves later events alone when run until it is done', () => {
    const engine = new Engine();
    engine.schedule(ns(9), { handle() {} }, 0);
    const task = engine.spawn(
      (function* (): Script {
        yield ns(1);
      })(),
    );
    engine.runUntilDone(task);
    expect([engine.now, engine.pending]).toEqual([1000, 1]);
  });
});

describe('a signal', () => {
  it('resumes those who wait in the order of waiting, at its instant, never inside fire()', () => {
    const engine = new Engine();
    const signal = new Signal<string>(engine);
    const heard: string[] = [];
    function* listener(name: string): Script {
      const word = yield* waitFor(signal);
      heard.push(`${name} ${word} ${engine.now}`);
    }
    for (const name of ['a', 'b', 'c']) engine.spawn(listener(name));
    engine.runUntil(ns(3) as number as Instant);
    signal.fire('go');
    expect(heard).toEqual([]);
    engine.run();
    engine.spawn(listener('late'));
    engine.run();
    expect(heard).toEqual(['a go 3000', 'b go 3000', 'c go 3000', 'late go 3000']);
  });

  it('happens once, and has a value only then', () => {
    const signal = new Signal<number>(new Engine(), 'reply');
    expect(signal.fired).toBe(false);
    expect(() => signal.value).toThrow('reply has not fired');
    signal.fire(7);
    expect([signal.fired, signal.value]).toEqual([true, 7]);
    expect(() => signal.fire(8)).toThrow('reply was fired twice');
  });

  it('can be raced against a timer', () => {
    const engine = new Engine();
    function* race(reply: Duration): Script<number> {
      return yield* waitFor(firstOf(timer(engine, reply), timer(engine, ns(10))));
    }
    const quick = engine.spawn(race(ns(9)));
    const slow = engine.spawn(race(ns(11)));
    engine.run();
    expect([quick.result, slow.result]).toEqual([0, 1]);
  });
});

describe('a gate', () => {
  it('wakes those who wait by now, each time', () => {
    const engine = new Engine();
    const gate = new Gate<number>(engine);
    const got: number[] = [];
    engine.spawn(
      (function* (): Script {
        for (;;) got.push(yield gate.wait());
      })(),
    );
    engine.run();
    for (const value of [1, 2]) {
      gate.notify(value);
      engine.run();
    }
    expect(got).toEqual([1, 2]);
  });

  it('forgets a notification that nobody waited for', () => {
    const gate = new Gate(new Engine());
    gate.notify();
    expect(gate.wait().fired).toBe(false);
  });
});

describe('a semaphore', () => {
  it('lets in as many as it has permits, first come first served', () => {
    const engine = new Engine();
    const tags = new Semaphore(engine, 2, 'tags');
    const log: string[] = [];
    function* user(name: string, hold: Duration): Script {
      yield tags.acquire();
      log.push(`${name} in ${engine.now}`);
      yield hold;
      tags.release();
    }
    engine.spawn(user('a', ps(30)));
    engine.spawn(user('b', ps(10)));
    engine.spawn(user('c', ps(10)));
    engine.spawn(user('d', ps(10)));
    engine.runUntil(5 as Instant);
    expect([tags.available, tags.waiting, tags.tryAcquire()]).toEqual([0, 2, false]);
    engine.run();
    expect(log).toEqual(['a in 0', 'b in 0', 'c in 10', 'd in 20']);
    expect([tags.available, tags.waiting]).toEqual([2, 0]);
  });

  it('refuses a number of permits that is none', () => {
    expect(() => new Semaphore(new Engine(), -1, 'tags')).toThrow('tags cannot have -1 permits');
  });
});
