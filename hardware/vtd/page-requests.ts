/**
 * Page requests (VT-d 7.4 to 7.6): a device asks for a page, and the unit puts the request into a queue in memory, from
 * which software takes it and answers through the invalidation queue. What cannot be queued is answered by the unit.
 */
import { encode, joinHalves, type RegisterFile } from '../bits/index.ts';
import {
  accessBits,
  type DeviceMessages,
  NO_PASID,
  type PageRequest,
  PageRequestServer,
  Translation,
  type Walk,
} from '../iommu/index.ts';
import type { MemoryOperation } from '../memory/index.ts';
import type { Capabilities } from './capabilities.ts';
import type { EventInterrupt } from './event-interrupt.ts';
import type { FaultRecorder } from './fault-recorder.ts';
import type { Invalidator } from './invalidation.ts';
import { Event, NO_DOMAIN, type PerformanceEvents } from './performance-events.ts';
import { checkMode } from './root-pointer.ts';
import { Kind, type Space } from './space.ts';
import {
  FAULTS,
  type Fault,
  Granularity,
  GSTS,
  IotlbGranularity,
  PAGE_REQUEST_DESCRIPTOR,
  PageRequestType,
  PQA,
  PQH,
  PQT,
  PRS,
  ResponseCode,
  TranslationTableMode,
} from './spec/index.ts';
import type { Translator } from './translator.ts';

export interface PageRequestSurroundings {
  readonly file: RegisterFile;
  readonly capabilities: Capabilities;
  readonly translator: Translator;
  readonly invalidator: Invalidator;
  readonly faults: FaultRecorder;
  readonly devices: DeviceMessages;
  readonly event: EventInterrupt;
  /** Carries the unit's work out. */
  readonly start: (walk: Walk) => void;
  /** All that have come are served. */
  readonly drained: () => void;
}

const ENTRY_BYTES = PAGE_REQUEST_DESCRIPTOR.$.words * 4;

export class PageRequests extends PageRequestServer {
  counters: PerformanceEvents | null = null;
  readonly #unit: PageRequestSurroundings;
  readonly #translation = new Translation<Fault>();

  constructor(unit: PageRequestSurroundings) {
    super(unit.start, unit.devices);
    this.#unit = unit;
    const { file, capabilities, event } = unit;
    if (!capabilities.has('PRS')) return;
    file.onWrite(PRS.$.offset!, () => {
      if (!PRS.PPR.isSet(file.words) && !PRS.PRO.isSet(file.words)) event.withdraw();
    });
  }

  protected override get entries(): number {
    return this.#bytes / ENTRY_BYTES;
  }

  protected override drained(): void {
    this.#unit.drained();
  }

  /** As where the queue is full, whatever the tables say. */
  protected override lose(request: PageRequest): void {
    if (this.#isOff) this.answer(request, ResponseCode.INVALID_REQUEST);
    else this.#drop(request);
  }

  protected override overflow(): void {
    if (!this.#isOff && !PRS.PRO.isSet(this.#unit.file.words)) this.#raise(PRS.PRO);
  }

  protected override *serve(request: PageRequest): Walk {
    const { words } = this.#unit.file;
    // 1. Remapping that is off, or a unit without page requests, has no queue to offer.
    if (this.#isOff) return this.answer(request, ResponseCode.INVALID_REQUEST);
    // 2. The tables down to the PASID-table entry.
    const found = yield* this.#find(request);
    if ('code' in found) return this.#refuse(request, found);
    // 3. After an overflow nothing is queued until software has cleared it.
    if (PRS.PRO.isSet(words)) return this.#drop(request);
    const tail = PQT.PQT.address(words) % this.#bytes;
    const next = (tail + ENTRY_BYTES) % this.#bytes;
    if (next === PQH.PQH.address(words)) {
      this.#raise(PRS.PRO);
      return this.#drop(request);
    }
    // 4. What software is about to change must not be cached.
    this.#forget(request, found);
    // 5. The descriptor, visible before the tail moves.
    yield this.#describe(request, PQA.PQA.address(words) + tail);
    PQT.PQT.setAddress(words, next);
    this.counters?.count(Event.PG_REQ_POSTED, request.requester, found.domain, request.pasid, 0);
    this.#raise(PRS.PPR);
  }

  get #isOff(): boolean {
    const { capabilities, file } = this.#unit;
    return !GSTS.TES.isSet(file.words) || !capabilities.has('PRS');
  }

  /** Of the queue. */
  get #bytes(): number {
    return 2 ** (PQA.PQS.get(this.#unit.file.words) + 12);
  }

  *#find(request: PageRequest): Walk<Space | Fault> {
    const { translator } = this.#unit;
    const t = this.#translation;
    t.ask(request.requester, request.pasid, accessBits(request), request.hi, request.lo);
    t.begin();
    translator.era.begin(t);
    const { root } = translator;
    if (root.mode === TranslationTableMode.LEGACY) return FAULTS.RTA_3;
    const modeFault = checkMode(t, root, translator.capabilities);
    if (modeFault !== null) return modeFault;
    const space = yield* translator.scalable.find(t, root.table, 'page request');
    return space!;
  }

  /** A condition in the tables: recorded, and answered if the request wants an answer. */
  #refuse(request: PageRequest, fault: Fault): void {
    const t = this.#translation;
    if (!(fault.qualified && t.faultDisable)) {
      const { requester, pasid, access, hi, lo } = t;
      this.#unit.faults.record(fault.code, {
        requester,
        pasid,
        access,
        addressType: t.addressType,
        hi,
        lo,
        isPageRequest: true,
      });
    }
    this.answer(request, ResponseCode.INVALID_REQUEST);
  }

  /** There was no room: the device is told to try again. */
  #drop(request: PageRequest): void {
    this.counters?.count(Event.PG_REQ_OVERFLOW, request.requester, NO_DOMAIN, request.pasid, 0);
    this.answer(request, ResponseCode.SUCCESS);
  }

  #forget({ hi, lo }: PageRequest, { kind, domain, pasid }: Space): void {
    const { invalidator } = this.#unit;
    const page = { domain, addressHi: hi, addressLo: lo & ~0xfff, order: 0, leavesOnly: false };
    if (kind === Kind.FIRST_STAGE) {
      invalidator.pasidIotlb({ ...page, granularity: Granularity.PASID_IOTLB.PAGE, pasid });
    } else {
      const whole = kind === Kind.NESTED || !this.#unit.capabilities.has('PSI');
      invalidator.iotlb({ ...page, granularity: whole ? IotlbGranularity.DOMAIN : IotlbGranularity.PAGE });
    }
  }

  #describe(request: PageRequest, at: number): MemoryOperation {
    const { memory } = this.#translation;
    const descriptor = encode(PAGE_REQUEST_DESCRIPTOR, {
      TYPE: PageRequestType.PAGE_REQUEST,
      PP: request.pasid === NO_PASID ? 0 : 1,
      RID: request.requester,
      PASID: request.pasid === NO_PASID ? 0 : request.pasid,
      EXR: request.execute ? 1 : 0,
      PMR: request.privileged ? 1 : 0,
      RDR: request.read ? 1 : 0,
      WRR: request.write ? 1 : 0,
      LPIG: request.last ? 1 : 0,
      PRGI: request.group,
      ADDR: joinHalves(request.hi, request.lo) >> 12n,
    });
    memory.words.set(descriptor);
    return memory.write(at, descriptor.length);
  }

  /** Sets PPR or PRO; the first of them raises the event. */
  #raise(status: (typeof PRS)['PPR']): void {
    const { file, event } = this.#unit;
    const quiet = !PRS.PPR.isSet(file.words) && !PRS.PRO.isSet(file.words);
    status.set(file.words, 1);
    if (quiet) event.signal();
  }
}
