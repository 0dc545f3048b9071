/** A requester on a function at one end of a link, and at the other end whatever a test makes of its requests. */
import {
  Attribute,
  CompletionStatus,
  type ConfigSpec,
  Endpoint,
  type FunctionBehaviour,
  LINK,
  Link,
  type LinkSpec,
  PcieFunction,
  Requester,
  type Tlp,
  TlpKind,
} from '../../hardware/pcie/index.ts';
import { Engine, type Script, type Task } from '../../hardware/sim/index.ts';

export const DEVICE = 0x0100;
export const BAR_AT = 0x1000_0000;
/** Where the PCI Express capability has Device Control, and Device Control 2. */
const DEVICE_CONTROL = 0x48;
const DEVICE_CONTROL_2 = 0x68;

/** What a request asked for, kept beyond its TLP. */
export interface Asked {
  readonly kind: number;
  readonly tag: number;
  readonly address: number;
  readonly length: number;
  readonly data: Uint8Array | null;
  readonly pasid: number;
  readonly privileged: boolean;
  readonly execute: boolean;
  readonly addressType: number;
  readonly attributes: number;
  readonly messageCode: number;
}

export interface RequesterBenchOptions {
  readonly tags?: number;
  readonly link?: Partial<LinkSpec>;
  readonly behaviour?: Partial<FunctionBehaviour>;
  readonly config?: Partial<ConfigSpec>;
}

export class RequesterBench {
  readonly engine = new Engine();
  readonly link: Link;
  readonly function: PcieFunction;
  readonly dma: Requester;
  /** Requests that have arrived, in their order. */
  readonly asked: Asked[] = [];
  /** Completions of requests from this end, by tag. */
  readonly answers: { tag: number; status: number; byteCount: number; attributes: number }[] = [];
  /** Called with each request that arrives. */
  onRequest: (asked: Asked) => void = () => {};

  constructor({ tags = 32, link, behaviour, config }: RequesterBenchOptions = {}) {
    const { engine } = this;
    this.link = new Link(engine, { ...LINK, ...link }, 'link');
    this.function = new PcieFunction(
      {
        name: 'device',
        requester: DEVICE,
        vendor: 0x1234,
        device: 1,
        revision: 0,
        classCode: 0,
        bars: [{ index: 0, size: 4096, wide: false, prefetchable: false }],
        msiVectors: 0,
        payloadSupported: 512,
        ...config,
      },
      {
        memoryRead: () => {},
        memoryWrite: () => {},
        completion: (tlp) => this.dma.completion(tlp),
        ...behaviour,
      },
    );
    new Endpoint(engine, this.link.bottom, [this.function]);
    this.dma = new Requester(engine, this.function, { tags });
    this.link.top.receive = (tlp) => this.#arrive(tlp);
    this.function.config.write(0x10, 4, BAR_AT);
    this.function.config.write(0x04, 2, 0b110);
  }

  /** Codes of Max_Payload_Size and Max_Read_Request_Size, and Extended Tag Field Enable. */
  program(payload: number, readRequest: number, extendedTags = false): this {
    this.function.config.write(DEVICE_CONTROL, 2, (payload << 5) | (readRequest << 12) | (extendedTags ? 0x100 : 0));
    return this;
  }

  /** Bits of Device Control 2. */
  control2(bits: number): this {
    this.function.config.write(DEVICE_CONTROL_2, 2, bits);
    return this;
  }

  spawn<T>(script: Script<T>): Task<T> {
    return this.engine.spawn(script);
  }

  run<T>(script: Script<T>): T {
    return this.engine.runUntilDone(this.spawn(script));
  }

  /**
   * Sends a completion: `data` of a read, of which `byteCount` bytes are still to come; without data, a status. What the
   * answer does not say is as it should be.
   */
  complete(asked: Completed, answer: Answer): void {
    const { tag, kind, address = 0, length = 0, attributes = 0 } = asked;
    const { data, byteCount = data?.length ?? 4, status = CompletionStatus.SUCCESSFUL, trafficClass = 0 } = answer;
    const begins = kind === TlpKind.MEMORY_READ ? address + Math.max(length - byteCount, 0) : 0;
    const tlp = this.link.top.take().answer(DEVICE, tag, 0, status, byteCount);
    const lowerAddress = answer.lowerAddress ?? begins & (length === 0 ? 0x7c : 0x7f);
    if (data !== undefined) tlp.withData(lowerAddress, data.length).data!.set(data);
    tlp.attributes = answer.attributes ?? attributes & ~Attribute.ID_ORDERING;
    tlp.trafficClass = trafficClass;
    this.link.top.send(tlp);
  }

  /** Sends a request to the function; `fill` makes it from an idle TLP. */
  send(fill: (tlp: Tlp) => void): void {
    const tlp = this.link.top.take();
    fill(tlp);
    this.link.top.send(tlp);
  }

  #arrive(tlp: Tlp): void {
    if (tlp.kind === TlpKind.COMPLETION || tlp.kind === TlpKind.COMPLETION_DATA) {
      const { tag, status, byteCount, attributes } = tlp;
      this.answers.push({ tag, status, byteCount, attributes });
      this.link.top.release(tlp);
      return;
    }
    const { kind, tag, length, pasid, privileged, execute, addressType, attributes, messageCode } = tlp;
    const address = (tlp.addressHi >>> 0) * 2 ** 32 + (tlp.addressLo >>> 0);
    const data = tlp.data === null ? null : tlp.data.slice(0, length);
    const qualities = { pasid, privileged, execute, addressType, attributes, messageCode };
    const asked = { kind, tag, address, length, data, ...qualities };
    this.link.top.release(tlp);
    this.asked.push(asked);
    this.onRequest(asked);
  }
}

/** What of a request its completion repeats. */
export type Completed = Pick<Asked, 'tag'> & Partial<Pick<Asked, 'kind' | 'address' | 'length' | 'attributes'>>;

export interface Answer {
  readonly data?: Uint8Array | undefined;
  readonly byteCount?: number;
  readonly lowerAddress?: number;
  readonly status?: number;
  readonly attributes?: number;
  readonly trafficClass?: number;
}
