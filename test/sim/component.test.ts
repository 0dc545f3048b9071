import { expect, it } from 'vitest';
import { type Component, Engine, milestones, ps, type TaskProbe } from '../../hardware/sim/index.ts';

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
    this.probe?.begin(id, parent, 'serve', this.name, this.#engine.now);
    this.#engine.schedule(ps(this.spec.service), this, id);
  }

  handle(id: number): void {
    this.state.served++;
    this.probe?.milestone(id, 'service', this.#engine.now);
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
    ['begin', 1, 0, 'serve', 'server', 0],
    ['milestone', 1, 'service', 30],
    ['end', 1, 30],
  ];
  expect(record()[1]).toEqual(expected);
  const [server, log] = record();
  expect(log).toEqual(expected);
  expect(server.state).toEqual({ served: 1 });
  server.reset();
  expect(server.state).toEqual({ served: 0 });
});

it('a milestone is one of a closed set of names', () => {
  expect(new Set(milestones).size).toBe(milestones.length);
  expect(milestones).toContain('iotlb-miss');
});
