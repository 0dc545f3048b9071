import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Channel, Engine, faulty, LinkClock, ns, ps, Rate, tap } from '../../hardware/sim/index.ts';

function listening<M>(engine: Engine, channel: Channel<M>): [message: M, at: number, release: () => void][] {
  const arrived: [M, number, () => void][] = [];
  channel.receive = (message, release) => arrived.push([message, engine.now, release]);
  return arrived;
}

describe('a channel', () => {
  it('delivers in order after its latency', () => {
    const engine = new Engine();
    const channel = new Channel<string>(engine, 'up', 8, ns(5));
    const arrived = listening(engine, channel);
    channel.send('a');
    channel.send('b');
    expect(channel.underWay).toBe(2);
    engine.run();
    expect(arrived.map(([message, at]) => [message, at])).toEqual([
      ['a', 5000],
      ['b', 5000],
    ]);
  });

  it('has as many messages out as it has credits, and says when one is free again', () => {
    const engine = new Engine();
    const channel = new Channel<number>(engine, 'posted', 2, ns(1));
    const arrived = listening(engine, channel);
    let freed = 0;
    channel.onFree = () => void freed++;
    channel.send(1);
    channel.send(2);
    expect(channel.canSend).toBe(false);
    expect(() => channel.send(3)).toThrow('posted: send() without a credit');
    engine.run();
    expect([channel.canSend, freed]).toEqual([false, 0]);
    for (const [, , release] of arrived) release();
    expect([channel.credits, freed]).toEqual([2, 1]);
    expect(() => arrived[0]![2]()).toThrow('posted: a credit was released that nobody held');
  });

  it('keeps order and credits whatever the traffic', () => {
    const action = fc.constantFrom('send', 'send', 'step', 'release');
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(action, { maxLength: 200 }), (credits, actions) => {
        const engine = new Engine();
        const channel = new Channel<number>(engine, 'link', credits, ps(3));
        const arrived = listening(engine, channel);
        let sent = 0;
        let released = 0;
        for (const what of actions) {
          if (what === 'send' && channel.canSend) channel.send(sent++);
          if (what === 'step') engine.step();
          if (what === 'release' && released < arrived.length) arrived[released++]![2]();
          expect(channel.credits).toBe(credits - sent + released);
        }
        engine.run();
        expect(arrived.map(([message]) => message)).toEqual([...Array(sent).keys()]);
      }),
    );
  });

  it('may have no bound', () => {
    const engine = new Engine();
    const channel = new Channel<number>(engine, 'completions', Infinity, ns(1));
    const arrived = listening(engine, channel);
    for (let i = 0; i < 100; i++) channel.send(i);
    engine.run();
    expect(arrived.map(([message]) => message)).toEqual([...Array(100).keys()]);
    for (const [, , release] of arrived) release();
    expect(channel.canSend).toBe(true);
  });

  it('shares a wire with others by its bytes', () => {
    const engine = new Engine();
    const wire = { clock: new LinkClock(new Rate(1, ps(100))), bytes: (message: string) => message.length };
    const one = new Channel<string>(engine, 'one', 4, ns(1), wire);
    const other = new Channel<string>(engine, 'other', 4, ns(1), wire);
    const first = listening(engine, one);
    const second = listening(engine, other);
    one.send('abc');
    other.send('de');
    one.send('f');
    engine.run();
    expect(first.map(([, at]) => at)).toEqual([1300, 1600]);
    expect(second.map(([, at]) => at)).toEqual([1500]);
  });

  it('shows what is sent to its probe', () => {
    const engine = new Engine();
    const channel = new Channel<string>(engine, 'up', 2, ns(1));
    listening(engine, channel);
    const seen: [number, string][] = [];
    channel.probe = (now, message) => void seen.push([now, message]);
    channel.send('a');
    expect(seen).toEqual([[0, 'a']]);
  });

  it('loses what was under way when it is reset, and ignores credits from before', () => {
    const engine = new Engine();
    const channel = new Channel<string>(engine, 'up', 2, ns(1));
    const arrived = listening(engine, channel);
    channel.send('held');
    engine.run();
    channel.send('lost');
    channel.reset();
    expect(channel.credits).toBe(2);
    channel.send('new');
    engine.run();
    arrived[0]![2]();
    expect(arrived.map(([message]) => message)).toEqual(['held', 'new']);
    expect(channel.credits).toBe(1);
  });

  it('that nobody listens to says so', () => {
    const engine = new Engine();
    new Channel<string>(engine, 'up', 1, ns(1)).send('a');
    expect(() => engine.run()).toThrow('in up: up: a message arrived and nothing is connected');
    expect(() => new Channel(engine, 'down', 0, ns(1))).toThrow('down cannot have 0 credits');
  });
});

describe('around a port', () => {
  it('a tap shows each message and is otherwise not there', () => {
    const engine = new Engine();
    const channel = new Channel<string>(engine, 'up', 1, ns(1));
    const arrived = listening(engine, channel);
    const seen: string[] = [];
    const port = tap(channel, (message) => void seen.push(message));
    let freed = 0;
    port.onFree = () => void freed++;
    port.send('a');
    expect([port.canSend, seen]).toEqual([false, ['a']]);
    engine.run();
    arrived[0]![2]();
    expect([port.canSend, freed]).toEqual([true, 1]);
  });

  it('faults drop messages without taking a credit, or hold them back', () => {
    const engine = new Engine();
    const channel = new Channel<string>(engine, 'up', 1, ns(1));
    const arrived = listening(engine, channel);
    const port = faulty(
      channel,
      (message) => (message === 'bad' ? 'drop' : message === 'slow' ? ns(10) : 'pass'),
      engine,
    );
    let freed = 0;
    port.onFree = () => void freed++;
    port.send('bad');
    port.send('slow');
    port.send('good');
    expect(port.canSend).toBe(false);
    engine.run();
    // The delay is over, but the only credit is with the first message.
    expect(arrived.map(([message, at]) => [message, at])).toEqual([['good', 1000]]);
    arrived[0]![2]();
    expect(freed).toBe(0);
    engine.run();
    expect(arrived[1]!.slice(0, 2)).toEqual(['slow', 11_000]);
    arrived[1]![2]();
    expect([port.canSend, freed]).toEqual([true, 1]);
  });

  it('faults need the engine only to delay', () => {
    const channel = new Channel<string>(new Engine(), 'up', 1, ns(1));
    expect(() => faulty(channel, () => ns(1)).send('a')).toThrow('faulty() needs the engine');
  });
});
