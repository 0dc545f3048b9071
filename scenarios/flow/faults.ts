/** What a program reads from its descriptor when devices fault, and how it answers, in the words of version 1 or 2. */
import {
  IOASID_FAULT,
  IOASID_PAGE_RESPONSE,
  IOMMU_FAULT,
  IOMMU_PAGE_RESPONSE,
  IoasidPageResponse,
  type Script,
} from '../../src/index.ts';
import type { User } from './user.ts';

/** Longer than any fault takes to arrive, in nanoseconds. */
const PATIENCE = 100_000;

/** A record as far as both versions have it; version 2 says which device it was, too. */
export interface FaultRecord {
  readonly flags: number;
  readonly ioasid: number;
  readonly perm: number;
  readonly addr: bigint;
  readonly group: number;
  readonly dev_cookie?: bigint;
}

/** Waits for a fault and reads it; `undefined` when there is none. */
export function* nextFault({ program, fd, version, stage, name }: User): Script<FaultRecord | undefined> {
  const struct = version === 1 ? IOASID_FAULT : IOMMU_FAULT;
  const readable = yield* program.poll(fd, PATIENCE);
  const bytes = yield* program.readFile(fd, struct.bytes);
  if (typeof bytes === 'number' || bytes.length === 0) return undefined;
  const record: FaultRecord = struct.decode(bytes);
  const { ioasid, addr, group, dev_cookie } = record;
  const device = dev_cookie === undefined ? 'no device' : `device 0x${dev_cookie.toString(16)}`;
  const words = `space ${ioasid}, page 0x${addr.toString(16)}, ${device}, group ${group}`;
  stage.note(`${name}: poll = ${readable}, read = ${bytes.length} bytes: ${words}.`);
  return record;
}

/** Answers a page request: the bytes of the answer, or a negative errno. */
export function answer(user: User, { ioasid, group, dev_cookie }: FaultRecord, code: Code): Script<number> {
  const { program, fd, name } = user;
  const response = { ioasid, group, code: IoasidPageResponse[code] };
  const bytes =
    dev_cookie === undefined
      ? IOASID_PAGE_RESPONSE.encode(response)
      : IOMMU_PAGE_RESPONSE.encode({ ...response, dev_cookie });
  return user.told(`${name}: write(group ${group}: ${code})`, program.writeFile(fd, bytes));
}

type Code = keyof typeof IoasidPageResponse;
