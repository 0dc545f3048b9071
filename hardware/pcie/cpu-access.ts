/**
 * What the CPU does through the root complex: reads and writes of configuration space and of memory-mapped registers, and
 * deferrable writes. What is answered comes back with a tag; all ones are what nobody says.
 */
import { highHalf, lowHalf } from '../bits/index.ts';
import { type Duration, type Engine, ns, type Script } from '../sim/index.ts';
import { Outbound } from './outbound.ts';
import type { IntegratedFunction, RootComplexSpec } from './root-complex.ts';
import { RootPort } from './root-port.ts';
import type { Routes } from './routes.ts';
import { CompletionStatus } from './spec/index.ts';
import type { Tlp } from './tlp.ts';

/** Where the CPU finds things. */
export interface CpuMap {
  readonly routes: Routes;
  /** The function of the root complex with this requester id. */
  readonly integrated: (requester: number) => IntegratedFunction | undefined;
  readonly portOf: (requester: number) => RootPort | null;
}

/** How a deferrable write ended. */
export type DeferrableOutcome = 'accepted' | 'retry' | 'failed';

export class CpuAccess {
  readonly #spec: RootComplexSpec;
  readonly #map: CpuMap;
  readonly #outbound: Outbound;
  readonly #configAccess: Duration;
  readonly #mmioAccess: Duration;

  constructor(engine: Engine, spec: RootComplexSpec, map: CpuMap) {
    this.#spec = spec;
    this.#map = map;
    this.#outbound = new Outbound(engine);
    this.#configAccess = ns(spec.configAccess);
    this.#mmioAccess = ns(spec.mmioAccess);
  }

  /** A completion for the CPU; false when it is of none of these requests. */
  complete(tlp: Tlp, port: RootPort): boolean {
    return this.#outbound.complete(tlp, port);
  }

  /** A link has gone down. */
  doubt(): void {
    this.#outbound.doubt();
  }

  *configRead(rid: number, offset: number, size: number): Script<number> {
    yield this.#configAccess;
    const own = this.#map.integrated(rid);
    if (own !== undefined) return own.readConfig(offset, size);
    const port = this.#map.portOf(rid);
    if (port === null || !port.below.reaches(rid)) return allOnes(size);
    const isType1 = port.below.isBeyond(rid);
    const { requester } = this.#spec;
    const fill = (tlp: Tlp, tag: number) => tlp.configRead(requester, tag, rid, offset, size).ofType1(isType1);
    const { value } = yield* this.#outbound.request(port, fill);
    return value === null ? allOnes(size) : Number(BigInt.asUintN(size * 8, value >> BigInt((offset & 3) * 8)));
  }

  *configWrite(rid: number, offset: number, size: number, value: number): Script<void> {
    yield this.#configAccess;
    const own = this.#map.integrated(rid);
    const port = own === undefined ? this.#map.portOf(rid) : null;
    own?.writeConfig(offset, size, value);
    if (port === null || !port.below.reaches(rid)) return;
    yield* this.#outbound.request(port, (tlp, tag) => {
      tlp.configWrite(this.#spec.requester, tag, rid, offset, size).ofType1(port.below.isBeyond(rid));
      for (let i = 0; i < size; i++) tlp.data![i] = value >>> (i * 8);
      return tlp;
    });
  }

  *mmioRead(address: number, size: number): Script<bigint> {
    yield this.#mmioAccess;
    const route = this.#map.routes.find(address, size);
    if (route === null) return BigInt.asUintN(size * 8, -1n);
    if (!(route.to instanceof RootPort)) return route.to.read(address - route.start, size);
    const { requester } = this.#spec;
    const fill = (tlp: Tlp, tag: number) => tlp.memoryRead(requester, tag, highHalf(address), lowHalf(address), size);
    const { value } = yield* this.#outbound.request(route.to, fill);
    return BigInt.asUintN(size * 8, value ?? -1n);
  }

  *mmioWrite(address: number, size: number, value: bigint): Script<void> {
    yield this.#mmioAccess;
    const route = this.#map.routes.find(address, size);
    if (route === null) return;
    if (!(route.to instanceof RootPort)) {
      route.to.write(address - route.start, size, value);
      return;
    }
    const tlp = route.to.end.take().memoryWrite(this.#spec.requester, highHalf(address), lowHalf(address), size);
    for (let i = 0; i < size; i++) tlp.data![i] = Number(BigInt.asUintN(8, value >> BigInt(i * 8)));
    yield* route.to.transmit(tlp);
  }

  /** A posted write of many bytes at once, as MOVDIR64B does it. */
  *directStore(address: number, bytes: Uint8Array): Script<void> {
    yield this.#mmioAccess;
    const port = this.#portAt(address, bytes.length);
    if (port === null) return;
    const { requester } = this.#spec;
    const tlp = port.end.take().memoryWrite(requester, highHalf(address), lowHalf(address), bytes.length);
    tlp.data!.set(bytes);
    yield* port.transmit(tlp);
  }

  /** A write that the device may put off, as ENQCMD does it. */
  *deferrableWrite(address: number, bytes: Uint8Array): Script<DeferrableOutcome> {
    yield this.#mmioAccess;
    const port = this.#portAt(address, bytes.length);
    if (port === null) return 'failed';
    const { status } = yield* this.#outbound.request(port, (tlp, tag) => {
      tlp.deferrableWrite(this.#spec.requester, tag, highHalf(address), lowHalf(address), bytes.length);
      tlp.data!.set(bytes);
      return tlp;
    });
    if (status === CompletionStatus.SUCCESSFUL) return 'accepted';
    return status === CompletionStatus.REQUEST_RETRY ? 'retry' : 'failed';
  }

  reset(): void {
    this.#outbound.reset();
  }

  #portAt(address: number, length: number): RootPort | null {
    const to = this.#map.routes.find(address, length)?.to;
    return to instanceof RootPort ? to : null;
  }
}

function allOnes(size: number): number {
  return 2 ** (size * 8) - 1;
}
