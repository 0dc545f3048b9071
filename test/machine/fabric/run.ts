/** Runs traffic in a fabric to its end, and says what should not have happened. */
import { createHash } from 'node:crypto';
import type { Tlp } from '../../../hardware/pcie/index.ts';
import { Actors } from './actors.ts';
import { FabricBench, MEMORY_BYTES } from './bench.ts';
import { Cells } from './cells.ts';
import { CreditLedger } from './credit-ledger.ts';
import type { FabricPlan } from './plans.ts';
import type { Traffic } from './traffic.ts';
import { Witness } from './witness.ts';

/** Far more events than any plan needs. */
const MOST_EVENTS = 3_000_000;
/** TLPs that somebody holds beside those on links and answers: of the CPU, and errors. */
const OTHERS = 64;

export interface Verdict {
  readonly complaints: readonly string[];
  /** What crossed each link when, and what is left in memory, in one word. */
  readonly digest: string;
  /** TLPs that crossed links. */
  readonly crossings: number;
}

/** `sabotage` breaks something before the traffic begins. */
export function runFabric(
  plan: FabricPlan,
  traffic: Traffic,
  sabotage: (bench: FabricBench) => void = () => {},
): Verdict {
  const bench = new FabricBench(plan);
  const { engine, links, root, devices } = bench;
  const witness = new Witness(bench);
  const complain = (what: string) => witness.complain(what);
  const ledger = new CreditLedger(links, complain);
  const digest = createHash('sha256');
  let crossings = 0;
  const own = new Set(devices.map((device) => device.function.endpoint.end.link));
  const top = new Set(bench.fabric.links.filter(({ above }) => above === 'root').map(({ link }) => link));
  const { pool } = links[0]!.top;
  const take = pool.take.bind(pool);
  pool.take = () => {
    const tlp = take();
    witness.forget(tlp);
    return tlp;
  };
  bench.watch(witness);
  root.onInterrupt = (address, data) => witness.interrupt(address, data);
  links.forEach((link, i) => {
    link.probe = (tlp, direction) => {
      crossings++;
      digest.update(Float64Array.of(engine.now, i, direction.length, ...numbersOf(tlp)));
      ledger.sent(link, direction, tlp);
      if (direction === 'upstream' && own.has(link)) witness.sent(tlp);
      if (direction === 'downstream' && top.has(link) && tlp.requester === root.spec.requester) witness.sentByCpu(tlp);
      const others = pool.taken - ledger.tlps;
      if (others > witness.expected + OTHERS) complain(`${others} TLPs wait beside the links`);
    };
  });
  sabotage(bench);
  const cells = new Cells();
  const actors = new Actors(bench, witness, cells);
  actors.start(traffic);
  for (let events = 0; engine.step(); events++) {
    if (events === MOST_EVENTS) throw new Error('it does not end');
  }
  actors.finish();
  witness.finish();
  ledger.finish(links);
  cells.finish(bench.memory, complain);
  const left = { taken: pool.taken, inFlight: root.inFlight, pending: engine.pending };
  if (left.taken + left.inFlight + left.pending !== 0) complain(`left over: ${JSON.stringify(left)}`);
  for (const bytes of [bench.memory.read(0, MEMORY_BYTES)!, ...devices.map(({ bytes }) => bytes)]) digest.update(bytes);
  return { complaints: witness.complaints, digest: digest.digest('hex'), crossings };
}

function numbersOf({
  kind,
  requester,
  tag,
  attributes,
  addressHi,
  addressLo,
  length,
  byteCount,
  status,
  data,
}: Tlp): number[] {
  return [kind, requester, tag, attributes, addressHi, addressLo, length, byteCount, status, data?.[0] ?? 0];
}
