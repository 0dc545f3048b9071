/** An accelerator on a small board: memory, a root complex, and an agent that translates by a list of pages. The CPU is the test. */
import {
  encodeTranslation,
  NO_ACCESS,
  type PageRequest,
  pageGroupResponse,
  readPageRequest,
} from '../../hardware/ats/index.ts';
import { highHalf, joinHalves, lowHalf } from '../../hardware/bits/index.ts';
import { ACCELERATOR, Accelerator, type AcceleratorSpec } from '../../hardware/devices/accelerator/index.ts';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  AddressType,
  LINK,
  type Link,
  MessageCode,
  NO_PASID,
  ROOT_COMPLEX,
  RootComplex,
  type Tlp,
  type TranslationAgent,
  type TranslationRequest,
  TranslationStatus,
} from '../../hardware/pcie/index.ts';
import { after, Engine, ns, type Script } from '../../hardware/sim/index.ts';
import { type Completion, CRAV, completionOf, descriptor, RCR, RECORD, type Said } from './accelerator-descriptors.ts';

export const RID = 0x0040;
export const BAR0 = 0xe000_0000;
export const BAR2 = 0xe020_0000;
const MIB = 2 ** 20;

// Offsets and bits here are those of the data sheet as numbers, so that the declarations are tested, too.
export const R = { GENCAP: 0x10, WQCAP: 0x20, GRPCAP: 0x30, ENGCAP: 0x38, OPCAP: 0x40, OFFSETS: 0x60, GENCFG: 0x80 };
export const S = { GENCTRL: 0x88, GENSTS: 0x90, INTCAUSE: 0x98, CMD: 0xa0, CMDSTS: 0xa8, CMDCAP: 0xb0, SWERR: 0xc0 };
export const EVLCFG = 0xe0;
export const EVLSTATUS = 0xf0;

/** Translates by a list; without a PASID, addresses are physical unless the list says otherwise. */
export class ListAgent implements TranslationAgent {
  readonly name = 'agent';
  answers: (request: TranslationRequest) => void = () => {};
  transmit: (fill: (tlp: Tlp) => Tlp) => void = () => {};
  /** Frames by PASID and page; 'read' for one that must not be written. */
  readonly pages = new Map<string, { frame: number; write: boolean }>();
  readonly seen: { pasid: number; page: number; addressType: number; access: number }[] = [];
  readonly pageRequests: PageRequest[] = [];
  /** Called with each page request. */
  onPageRequest: (asked: PageRequest) => void = (asked) => this.respond(asked, 0);
  /** Without a PASID, nothing is translated. */
  isOpen = true;
  /** Translation requests are refused. */
  refuses = false;
  readonly requests: TranslationAgent['requests'];

  constructor() {
    this.requests = {
      onFree: () => {},
      canSend: true,
      send: (request) => this.#take(request),
    };
  }

  map(pasid: number, page: number, frame: number, write = true): this {
    this.pages.set(`${pasid}:${page}`, { frame, write });
    return this;
  }

  message(tlp: Tlp): boolean {
    if (tlp.messageCode !== MessageCode.PAGE_REQUEST) return false;
    const asked = readPageRequest(tlp);
    this.pageRequests.push(asked);
    this.onPageRequest(asked);
    return true;
  }

  respond({ requester, pasid, group }: PageRequest, code: number): void {
    const one = { requester, pasid: pasid === NO_PASID ? undefined : pasid, group, code };
    this.transmit((tlp) => pageGroupResponse(tlp, 0xa5, one));
  }

  #take(request: TranslationRequest): void {
    const { pasid, addressHi: hi, addressLo: lo, addressType, access } = request;
    const page = Number(joinHalves(hi, lo) >> 12n);
    if (request.interrupt) request.passThrough();
    else {
      this.seen.push({ pasid, page, addressType, access });
      const found = this.pages.get(`${pasid}:${page}`);
      const isOpen = pasid === NO_PASID && this.isOpen;
      const frame = found?.frame ?? (isOpen ? page : -1);
      const write = found?.write ?? true;
      if (addressType === AddressType.TRANSLATION) this.#translate(request, frame, write);
      else if (addressType === AddressType.TRANSLATED) request.passThrough();
      else if (frame < 0 || ((access & 2) !== 0 && !write)) request.status = TranslationStatus.UNSUPPORTED_REQUEST;
      else {
        request.passThrough();
        request.hpaHi = highHalf(frame * 4096);
        request.hpaLo = lowHalf(frame * 4096) | (lo & 0xfff);
      }
    }
    this.answers(request);
  }

  #translate(request: TranslationRequest, frame: number, write: boolean): void {
    request.status = this.refuses ? TranslationStatus.UNSUPPORTED_REQUEST : TranslationStatus.SUCCESS;
    if (this.refuses) return;
    const at = { hi: highHalf(Math.max(frame, 0) * 4096), lo: lowHalf(Math.max(frame, 0) * 4096) };
    const said = encodeTranslation(
      frame < 0 ? NO_ACCESS : { ...NO_ACCESS, ...at, read: true, write, privileged: (request.access & 8) !== 0 },
    );
    request.translations[0] = said.hi;
    request.translations[1] = said.lo;
    request.translated = 1;
  }
}

export class AcceleratorBench {
  readonly engine = new Engine();
  readonly memory = new PhysicalMemory([[0, 16 * MIB]]);
  readonly controller = new MemoryController(this.engine, this.memory, { latency: 100, bytesPerNanosecond: 16 });
  readonly rootComplex = new RootComplex(this.engine, this.controller, ROOT_COMPLEX);
  readonly agent = new ListAgent();
  readonly device: Accelerator;
  readonly link: Link;
  /** Data of the interrupt messages: the vector, with `enable`. */
  readonly interrupts: number[] = [];

  constructor(spec: Partial<AcceleratorSpec> = {}) {
    this.device = new Accelerator(this.engine, { ...ACCELERATOR, ...spec, name: 'dsa0', requester: RID });
    this.link = this.rootComplex.connect(LINK, this.device.functions);
    this.rootComplex.attach(this.agent);
    this.rootComplex.onInterrupt = (_, data) => {
      this.interrupts.push(data);
    };
  }

  /** Places the base addresses, enables memory, bus mastering and MSI-X, whose vectors say their own number. */
  enable({ busMaster = true, ats = false, pasid = false, pri = false } = {}): this {
    const { config } = this.device.function;
    config.write(0x10, 4, BAR0);
    config.write(0x18, 4, BAR2);
    config.write(0x04, 2, busMaster ? 0b110 : 0b010);
    if (pasid) config.write(config.pasid!.offset + 6, 2, 0b111);
    if (pri) {
      config.write(config.pri!.offset + 12, 4, 32);
      config.write(config.pri!.offset + 4, 2, 1);
    }
    if (ats) config.write(config.ats!.offset + 6, 2, 0x8000);
    config.write(config.msix!.offset + 2, 2, 0x8000);
    for (let vector = 0; vector < config.msix!.vectors; vector++) {
      this.write(0x6000 + vector * 16, 0xfee0_0000);
      this.write(0x6008 + vector * 16, vector);
      this.write(0x600c + vector * 16, 0);
    }
    return this;
  }

  run<T>(script: Script<T>): T {
    return this.engine.runUntilDone(this.engine.spawn(script));
  }

  /** Lets this much time pass. */
  pass(nanoseconds: number): void {
    this.engine.runUntil(after(this.engine.now, ns(nanoseconds)));
  }

  write(offset: number, value: number | bigint, size = 4): void {
    this.run(this.rootComplex.mmioWrite(BAR0 + offset, size, BigInt.asUintN(size * 8, BigInt(value))));
  }

  read(offset: number, size = 4): bigint {
    return this.run(this.rootComplex.mmioRead(BAR0 + offset, size));
  }

  /** Writes a command and waits for its end: CMDSTS. */
  command(command: number, operand = 0, interrupt = false): number {
    this.write(S.CMD, ((interrupt ? 0x8000_0000 : 0) | (command << 20) | operand) >>> 0);
    for (let i = 0; i < 50; i++) {
      const status = Number(this.read(S.CMDSTS));
      if (status < 0x8000_0000) return status;
      this.pass(1000);
    }
    return Number(this.read(S.CMDSTS));
  }

  /** Configures a work queue of group 0, which has every engine. Words of WQCFG. */
  queue(index: number, { size = 16, threshold = 16, word2 = 0x11, shifts = 0x155 }: Partial<QueueSettings> = {}): this {
    const at = 0x1000 + index * 64;
    this.write(at, size);
    this.write(at + 4, threshold);
    this.write(at + 8, word2);
    this.write(at + 12, shifts);
    this.write(0x400, this.read(0x400, 8) | (1n << BigInt(index)), 8);
    this.write(0x420, (1n << BigInt(this.device.spec.engines)) - 1n, 8);
    return this;
  }

  /** Enables the device and these work queues. */
  open(...queues: number[]): this {
    const statuses = [this.command(1), ...queues.map((queue) => this.command(6, queue))];
    if (statuses.some((status) => status !== 0)) throw new Error(`not enabled: ${statuses.join(' ')}`);
    return this;
  }

  /** MOVDIR64B to a portal. */
  store(bytes: Uint8Array, offset = 0): void {
    this.run(this.rootComplex.directStore(BAR2 + offset, bytes));
  }

  /** ENQCMD to a portal. */
  enqueue(bytes: Uint8Array, offset = 0): string {
    return this.run(this.rootComplex.deferrableWrite(BAR2 + offset, bytes));
  }

  /** Submits to a dedicated queue and lets everything happen: the completion record at `record`. */
  submit(said: Said, record = RECORD, offset = 0): Completion {
    this.memory.write(record, new Uint8Array(32));
    this.store(descriptor({ flags: CRAV | RCR, completion: record, ...said }), offset);
    this.engine.run();
    return this.completion(record);
  }

  completion(at = RECORD): Completion {
    return completionOf(this.memory.read(at, 32)!);
  }

  reset(): void {
    this.engine.reset();
    this.memory.reset();
    this.controller.reset();
    this.rootComplex.reset();
    this.device.reset();
    this.interrupts.length = 0;
  }
}

interface QueueSettings {
  readonly size: number;
  readonly threshold: number;
  /** Mode 0, BOF 1, ATS off 2, PRS off 3, priority 7:4, PASID 27:8, PASID_EN 28, PRIV 29. */
  readonly word2: number;
  /** Transfer 4:0, batch 8:5. */
  readonly shifts: number;
}
