/** A link between two ends that a test holds. */
import { LINK, Link, type LinkSpec, type Tlp } from '../../hardware/pcie/index.ts';
import { Engine } from '../../hardware/sim/index.ts';

export const RID = 0x0008;

export interface Opened {
  readonly engine: Engine;
  readonly link: Link;
  /** The tag of each TLP that arrived at the top, and when. */
  readonly arrived: [tag: number, at: number][];
  /** What the top holds when it does not release at once. */
  readonly held: Tlp[];
}

/** Everything that arrives at either end is released at once, unless `hold` says that the top keeps it. */
export function open(spec: Partial<LinkSpec> = {}, { hold = false } = {}): Opened {
  const engine = new Engine();
  const link = new Link(engine, { ...LINK, ...spec }, 'link');
  const arrived: [number, number][] = [];
  const held: Tlp[] = [];
  link.top.receive = (tlp) => {
    arrived.push([tlp.tag, engine.now]);
    if (hold) held.push(tlp);
    else link.top.release(tlp);
  };
  link.bottom.receive = (tlp) => link.bottom.release(tlp);
  return { engine, link, arrived, held };
}

/** Sends a write of `length` bytes upstream whose tag is its number. */
export function write({ link }: Opened, number: number, length = 64): void {
  const tlp = link.bottom.take().memoryWrite(RID, 1, 0x1000, length);
  tlp.tag = number;
  link.bottom.send(tlp);
}
