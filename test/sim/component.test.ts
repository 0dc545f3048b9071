import { describe, expect, it } from 'vitest';
import {
  asTask,
  type Component,
  Engine,
  MILESTONES,
  ps,
  type Script,
  type TaskProbe,
} from '../../hardware/sim/index.ts';

/** The smallest thing with a name, a spec and a state that says where its time went. */
class Server implements Component<{ service: number }, { served: number }> {
  readonly name = 'server';
  readonly spec = { service: 30 };
  readonly state = { served: 0 };
  readonly #engine: Engine;
  probe: TaskProbe | null = null;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  reset(): void {
    this.state.served = 0;
  }

  serve(parent: number): void {
    const id = this.#engine.takeId();
    this.probe?.begin({ id, parent, kind: 'serve', who: this.name, at: this.#engine.now });
    this.#engine.schedule(ps(this.spec.service), this, id);
  }

  handle(id: number): void {
    this.state.served++;
    this.probe?.milestone(id, 'device', this.#engine.now, this.name);
    this.probe?.end(id, this.#engine.now);
  }
}

it('a component accounts for its time through a probe, with ids that belong to its engine', () => {
  const record = (): [Server, unknown[]] => {
    const engine = new Engine();
    const server = new Server(engine);
    const log: unknown[] = [];
    server.probe = {
      begin: (...all) => void log.push(['begin', ...all]),
      milestone: (...all) => void log.push(['milestone', ...all]),
      end: (...all) => void log.push(['end', ...all]),
    };
    server.serve(0);
    engine.run();
    return [server, log];
  };
  const expected = [
    ['begin', { id: 1, parent: 0, kind: 'serve', who: 'server', at: 0 }],
    ['milestone', 1, 'device', 30, 'server'],
    ['end', 1, 30],
  ];
  expect(record()[1]).toEqual(expected);
  const [server, log] = record();
  expect(log).toEqual(expected);
  expect(server.state).toEqual({ served: 1 });
  server.reset();
  expect(server.state).toEqual({ served: 0 });
});

it('a milestone is one of a closed set of names, each with its meaning', () => {
  expect(Object.keys(MILESTONES)).toContain('walk');
  for (const meaning of Object.values(MILESTONES)) expect(meaning).toMatch(/^\w/);
});

describe('a script that is run as a task', () => {
  function* work(engine: Engine): Script<string> {
    yield ps(5);
    const inner = asTask(
      engine,
      { kind: 'inner', who: 'there', own: 'memory' },
      (function* () {
        yield ps(7);
        // What it starts works on its behalf.
        engine.spawn(
          (function* () {
            yield ps(1);
            log.push(['by', engine.running?.cause]);
          })(),
        );
        return 'done';
      })(),
    );
    return yield* inner;
  }
  let log: unknown[] = [];

  it('says when it begins and ends, on whose behalf, and what its time goes to', () => {
    const engine = new Engine();
    log = [];
    engine.tasks = {
      begin: (...all) => void log.push(['begin', ...all]),
      milestone: () => {},
      end: (...all) => void log.push(['end', ...all]),
    };
    const task = engine.spawn(asTask(engine, { kind: 'outer', who: 'here', own: 'software' }, work(engine)));
    expect(engine.runUntilDone(task)).toBe('done');
    engine.run();
    expect(log).toEqual([
      ['begin', { id: 1, parent: 0, kind: 'outer', who: 'here', at: 0, own: 'software', isAwaited: false }],
      ['begin', { id: 2, parent: 1, kind: 'inner', who: 'there', at: 5, own: 'memory', isAwaited: true }],
      ['end', 2, 12],
      ['end', 1, 12],
      ['by', 2],
    ]);
    expect(engine.running).toBeNull();
  });

  it('takes the same time when nobody watches, and takes no number', () => {
    const engine = new Engine();
    expect(
      engine.runUntilDone(engine.spawn(asTask(engine, { kind: 'outer', who: 'here', own: 'software' }, work(engine)))),
    ).toBe('done');
    expect([engine.now, engine.takeId()]).toEqual([12, 1]);
  });
});
