/** A link that always has something to send: how fast transactions get through. */
import { Link, type LinkEnd, type LinkSpec } from '../../../../hardware/pcie/index.ts';
import { Engine, type Instant, START } from '../../../../hardware/sim/index.ts';
import type { Fill } from './traffic.ts';

/** TLPs that are sent before and while the rate is measured, and those that are under way, at least. */
const MEASURED = 10_000;
const UNDER_WAY = 512;
const FEWEST_MEASURED = 20;

export interface Rates {
  /** Transactions per second. */
  readonly transactions: number;
  /** Gb/s upstream of everything that TLPs count. */
  readonly wireGigabits: number;
}

/**
 * Sends transactions of the same TLPs over a link, so many at a time that it is never idle in the direction that has more
 * to carry, and measures from one completed transaction to another. Whoever answers does so when the last TLP of a
 * transaction has come up. What is received is released at once.
 */
export function saturate(spec: LinkSpec, upstream: readonly Fill[], downstream: readonly Fill[]): Rates {
  const engine = new Engine();
  const link = new Link(engine, spec, 'link');
  const each = upstream.length + downstream.length;
  const window = Math.ceil(UNDER_WAY / each) + 1;
  const measured = Math.max(Math.ceil(MEASURED / each), FEWEST_MEASURED);
  const [up, down] = [new Sender(link.bottom, upstream), new Sender(link.top, downstream)];
  let completed = 0;
  let from: Instant = START;
  let bytes = 0;

  const done = (): void => {
    completed++;
    if (completed === window) {
      from = engine.now;
      bytes = link.state.upstream.bytes;
    }
    if (completed < window + measured) up.start();
  };
  onEach(link.top, upstream.length, downstream.length === 0 ? done : () => down.start());
  onEach(link.bottom, downstream.length, done);
  for (let i = 0; i < window; i++) up.start();
  while (completed < window + measured) engine.step();

  const seconds = (engine.now - from) / 1e12;
  return {
    transactions: measured / seconds,
    wireGigabits: ((link.state.upstream.bytes - bytes) * 8) / seconds / 1e9,
  };
}

/** Calls `then` whenever another `count` TLPs have arrived. */
function onEach(end: LinkEnd, count: number, then: () => void): void {
  let arrived = 0;
  end.receive = (tlp) => {
    end.release(tlp);
    if (++arrived % count === 0) then();
  };
}

/** Sends whole transactions one after the other, as fast as credits allow. */
class Sender {
  readonly #end: LinkEnd;
  readonly #tlps: readonly Fill[];
  #left = 0;
  #next = 0;

  constructor(end: LinkEnd, tlps: readonly Fill[]) {
    this.#end = end;
    this.#tlps = tlps;
    end.onFree = () => this.#pump();
  }

  start(): void {
    this.#left += this.#tlps.length;
    this.#pump();
  }

  #pump(): void {
    const end = this.#end;
    for (; this.#left > 0; this.#left--) {
      const tlp = this.#tlps[this.#next]!(end.take());
      if (!end.canSend(tlp)) {
        end.give(tlp);
        return;
      }
      this.#next = (this.#next + 1) % this.#tlps.length;
      end.send(tlp);
    }
  }
}
