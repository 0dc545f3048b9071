/**
 * Peripheral page requests (fact sheet 6.1): a device asks for a page, and the unit puts the request into the PPR log,
 * from which software takes it and answers with COMPLETE_PPR_REQUEST. What cannot be logged is answered by the unit, or lost.
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
import type { DeviceEntry } from './device-table.ts';
import type { Features } from './features.ts';
import type { PprLog } from './ppr-log.ts';
import {
  type AmdFault,
  CONTROL,
  EventCode,
  INVALID_PPR_REQUEST,
  PPR_LOG_ENTRY,
  PprCode,
  PprResponseCode,
} from './spec/index.ts';
import type { Translator } from './translator.ts';

export interface PageRequestSurroundings {
  readonly file: RegisterFile;
  readonly features: Features;
  readonly translator: Translator;
  readonly devices: DeviceMessages;
  readonly pprLog: PprLog;
  /** Carries the unit's work out. */
  readonly start: (walk: Walk) => void;
  /** Writes an entry into the event log. */
  readonly log: (entry: Uint32Array) => void;
}

export class PageRequests extends PageRequestServer {
  readonly #unit: PageRequestSurroundings;
  readonly #translation = new Translation<AmdFault>();

  constructor(unit: PageRequestSurroundings) {
    super(unit.start, unit.devices);
    this.#unit = unit;
  }

  protected override get entries(): number {
    return this.#unit.pprLog.entries;
  }

  /** As where the log is full; of the device's table entry only counts what is cached. */
  protected override lose(request: PageRequest): void {
    const { devices } = this.#unit.translator;
    if (this.#accepts) this.#answerAutomatically(request, devices.cached(request.requester));
    else this.#refuse(request);
  }

  protected override overflow(): void {
    const { pprLog } = this.#unit;
    if (this.#accepts && !pprLog.answersAll) pprLog.overflow();
  }

  protected override *serve(request: PageRequest): Walk {
    const { file, translator, pprLog } = this.#unit;
    // 1. A unit that is off, or that takes no page requests, has no log to offer.
    if (!this.#accepts) return this.#refuse(request);
    // 2. The device table entry must allow them.
    const t = this.#translation.ask(request.requester, request.pasid, accessBits(request), request.hi, request.lo);
    translator.era.begin(t);
    const device = yield* translator.devices.find(t);
    if ('code' in device || !this.#isAllowed(request, device)) return this.#refuse(request);
    // 3. A stop marker wants no answer; it is logged unless software does not want to see it.
    const isStopMarker = request.last && !request.read && !request.write;
    if (isStopMarker && CONTROL.BlkStopMrkEn.isSet(file.words)) return;
    // 4. Software may want every request answered without seeing it.
    if (pprLog.answersAll) return this.#answerAutomatically(request, device);
    const logged = yield* pprLog.append(describe(request));
    if (!logged) this.#answerAutomatically(request, device);
  }

  get #accepts(): boolean {
    const { features, file } = this.#unit;
    const { words } = file;
    return features.has('PPRSup') && CONTROL.IommuEn.isSet(words) && CONTROL.PPREn.isSet(words);
  }

  #isAllowed({ pasid }: PageRequest, device: DeviceEntry): boolean {
    const { file, features } = this.#unit;
    if (!device.valid || device.fault !== null || !device.deviceTlb) return false;
    const enhanced = features.has('EPHSup') && CONTROL.EPHEn.isSet(file.words);
    if (enhanced && !device.pageRequests) return false;
    const hasGuest = device.guest !== null && features.has('GTSup') && CONTROL.GTEn.isSet(file.words);
    return pasid === NO_PASID || (hasGuest && pasid <= features.lastPasid);
  }

  /** An event, and the answer that PCIe gives to what is not allowed. */
  #refuse(request: PageRequest): void {
    const { requester, pasid, group, last, hi, lo } = request;
    const [low, high] = pasid === NO_PASID ? [0, 0] : [pasid & 0xffff, pasid >>> 16];
    this.#unit.log(
      encode(INVALID_PPR_REQUEST, {
        DeviceID: requester,
        PASID_15_0: low,
        Tag: group | (last ? LAST : 0),
        PASID_19_16: high,
        Flags: flagsOf(request),
        EventCode: EventCode.INVALID_PPR_REQUEST,
        Address: joinHalves(hi, lo),
      }),
    );
    this.answer(request, PprResponseCode.INVALID_REQUEST);
  }

  #answerAutomatically(request: PageRequest, device: DeviceEntry | null): void {
    const answer = this.#unit.pprLog.automaticAnswer;
    if (answer === null) return;
    this.answer(request, answer.code, device?.respondsWithPasid === true && !answer.dropsPasid);
  }
}

/** The last-request bit of a tag. */
const LAST = 1 << 9;

function describe(request: PageRequest): Uint32Array {
  const { requester, pasid, group, last, hi, lo, read, write, execute, privileged } = request;
  const hasPasid = pasid !== NO_PASID;
  return encode(PPR_LOG_ENTRY, {
    DeviceID: requester,
    PASID_15_0: hasPasid ? pasid & 0xffff : 0,
    PRGIndex: group,
    Last: last ? 1 : 0,
    PASID_19_16: hasPasid ? pasid >>> 16 : 0,
    EXEC: execute ? 1 : 0,
    READ: read ? 1 : 0,
    WRITE: write ? 1 : 0,
    US: privileged ? 0 : 1,
    GN: hasPasid ? 1 : 0,
    Code: PprCode.PAGE_SERVICE_REQUEST,
    PageAddress: joinHalves(hi, lo) >> 12n,
  });
}

/** The flags of a PPR log entry, as an event carries them. */
function flagsOf(request: PageRequest): number {
  return (describe(request)[1]! >>> 16) & 0xfff;
}
