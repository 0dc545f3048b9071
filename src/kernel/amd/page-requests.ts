/** Reads the PPR log (fact sheet 6.1, 10.5) and answers by COMPLETE_PPR_REQUEST. */
import {
  PPR_AUTO_RESPONSE,
  PPR_HEAD,
  PPR_LOG_BASE,
  PPR_LOG_ENTRY,
  PPR_TAIL,
  PprResponseCode,
  STATUS,
} from '../../../hardware/amdvi/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { type Attachments, NO_PASID, type PageRequestGroup, type PageResponse } from '../iommu/attachments.ts';
import { PageRequestGroups } from '../iommu/page-request-groups.ts';
import type { Command } from './commands.ts';
import type { Features } from './features.ts';
import { LogReader, type LogShape, type LogSurroundings } from './log-reader.ts';

const PPR_LOG: LogShape = {
  purpose: 'PPR log',
  base: PPR_LOG_BASE,
  address: PPR_LOG_BASE.PPRLogBase,
  length: PPR_LOG_BASE.PPRLogLen,
  head: PPR_HEAD,
  headPointer: PPR_HEAD.PPRHdptr,
  tail: PPR_TAIL,
  tailPointer: PPR_TAIL.PPRTailptr,
  enable: 'PPRLogEn',
  interrupt: 'PPRIntEn',
  run: STATUS.PprLogRun,
  written: STATUS.PprInt,
  overflow: STATUS.PprOverflow,
  code: PPR_LOG_ENTRY.Code,
  lost: 'page requests were lost, the PPR log was full',
};

const CODES: Readonly<Record<PageResponse, number>> = {
  success: PprResponseCode.SUCCESS,
  invalid: PprResponseCode.INVALID_REQUEST,
  failure: PprResponseCode.FAILURE,
};

export class PageRequestReader {
  readonly #unit: LogSurroundings;
  readonly #features: Features;
  readonly #groups: PageRequestGroups;
  #log!: LogReader;

  private constructor(unit: LogSurroundings, features: Features, groups: PageRequestGroups) {
    this.#unit = unit;
    this.#features = features;
    this.#groups = groups;
  }

  /** Takes a log of which the unit knows nothing yet, or gives -ENOMEM. */
  static create(
    unit: LogSurroundings,
    features: Features,
    attachments: Attachments,
    run: (commands: readonly Command[]) => Script<number>,
  ): PageRequestReader | number {
    const send = ({ requester: deviceId, pasid, index: group }: PageRequestGroup, response: PageResponse) =>
      run([{ kind: 'page response', deviceId, pasid, group, code: CODES[response] }]);
    const groups = new PageRequestGroups(attachments, unit.faultPoints, send);
    const reader = new PageRequestReader(unit, features, groups);
    const take = (entry: Uint32Array): Script => reader.#take(entry);
    const log = LogReader.create(unit, PPR_LOG, take, unit.pageRequestPlaces ?? undefined);
    if (typeof log === 'number') return log;
    log.onLoss = () => groups.forgetPartials();
    reader.#log = log;
    return reader;
  }

  /** Switches the PPR log on. */
  *enable(): Script {
    const { registers, control } = this.#unit;
    // A device whose request was lost would wait for ever; told that it is there, it finds that it is not, and asks again.
    if (this.#features.answersPageRequests) {
      yield* registers.write(PPR_AUTO_RESPONSE, { PprAutoRespCode: PprResponseCode.SUCCESS });
      yield* control.set({ PprAutoRspEn: 1 });
    }
    yield* control.set({ PPREn: 1, EPHEn: 1 });
    yield* this.#log.enable();
  }

  /** While the unit has not been told of it. */
  release(): void {
    this.#log.release();
  }

  /** Empties the log. */
  *serve(): Script {
    yield* this.#log.serve();
  }

  #take(entry: Uint32Array): Script {
    const { DeviceID, PASID_15_0, PASID_19_16, PRGIndex, Last, RZ, GN } = PPR_LOG_ENTRY;
    const { EXEC, READ, WRITE, US, PageAddress } = PPR_LOG_ENTRY;
    return this.#groups.take({
      requester: DeviceID.get(entry),
      pasid: GN.isSet(entry) ? PASID_15_0.get(entry) + PASID_19_16.get(entry) * 2 ** 16 : NO_PASID,
      index: PRGIndex.get(entry),
      last: Last.isSet(entry),
      malformed: RZ.isSet(entry),
      request: {
        page: Number(PageAddress.big(entry)),
        read: READ.isSet(entry),
        write: WRITE.isSet(entry),
        execute: EXEC.isSet(entry),
        privileged: !US.isSet(entry),
      },
    });
  }
}
