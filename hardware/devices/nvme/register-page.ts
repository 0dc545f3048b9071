/** The registers as a page: what they say at first, and what they say of the admin queues when the controller is enabled. */
import { RegisterFile } from '../../bits/index.ts';
import type { Setup } from './controller.ts';
import { VERSION } from './identify.ts';
import { prpAt } from './prp.ts';
import {
  ACQ,
  AQA,
  ASQ,
  CAP,
  CC,
  CommandSet,
  CQE_LOG2,
  INTMC,
  INTMS,
  NVME_REGISTERS,
  REGISTER_BYTES,
  SQE_LOG2,
  VS,
} from './spec/index.ts';

const PAGE = 4096;
/** CAP.MPSMAX: pages of 64 KiB. */
const LARGEST_PAGE = 4;
/** CAP.TO, in half seconds. */
const TIMEOUT = 1;

/** Of a controller whose queues have up to `entries` entries. */
export function nvmeRegisters(entries: number): RegisterFile {
  const file = new RegisterFile(REGISTER_BYTES, NVME_REGISTERS);
  const { words } = file;
  file.initial(CAP, {
    MQES: entries - 1,
    CQR: 1,
    TO: TIMEOUT,
    NSSRS: 1,
    CSS: 1 << CommandSet.NVM,
    MPSMAX: LARGEST_PAGE,
  });
  file.initialWords(VS.$.offset!, [VERSION]);
  // Both read as the mask.
  file.onWrite(INTMS.$.offset!, () => INTMC.IVMC.set(words, INTMS.IVMS.get(words)));
  file.onWrite(INTMC.$.offset!, () => INTMS.IVMS.set(words, INTMC.IVMC.get(words)));
  return file;
}

/** What the registers say of the admin queues, or `null` where a controller cannot be enabled so. */
export function setupOf(file: RegisterFile): Setup | null {
  const { words } = file;
  const size = CC.MPS.get(words);
  const page = PAGE * 2 ** size;
  const submissions = AQA.ASQS.get(words) + 1;
  const completions = AQA.ACQS.get(words) + 1;
  // Bits below the base are not kept, but they were written.
  const offsets = (file.written(ASQ.$.offset!) | file.written(ACQ.$.offset!)) & (page - 1);
  const isPossible =
    CC.CSS.get(words) === CommandSet.NVM &&
    CC.AMS.get(words) === 0 &&
    size <= LARGEST_PAGE &&
    submissions > 1 &&
    completions > 1 &&
    offsets === 0;
  if (!isPossible) return null;
  return {
    page,
    submissions: { base: prpAt(words, ASQ.ASQB.word), size: submissions },
    completions: { base: prpAt(words, ACQ.ACQB.word), size: completions },
  };
}

/** Software has said that I/O queues have entries of the sizes that they have. */
export function hasEntrySizes({ words }: RegisterFile): boolean {
  return CC.IOSQES.get(words) === SQE_LOG2 && CC.IOCQES.get(words) === CQE_LOG2;
}
