/** read() and write() of an open `/dev/ioasid` or `/dev/iommu`: records of faults out, responses in. */
import { wordsOf } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import {
  EFAULT,
  EINVAL,
  IOASID_FAULT,
  IOASID_PAGE_RESPONSE,
  IOMMU_FAULT,
  IOMMU_PAGE_RESPONSE,
} from '../../uapi/index.ts';
import { copying } from '../costs.ts';
import type { Process } from '../process.ts';
import type { FaultQueue, FaultResponse } from './fault-queue.ts';
import type { Version } from './file.ts';

const RECORDS = { 1: IOASID_FAULT, 2: IOMMU_FAULT } as const;
const RESPONSES = { 1: IOASID_PAGE_RESPONSE, 2: IOMMU_PAGE_RESPONSE } as const;

/** A range of a process's memory. */
interface Transfer {
  readonly process: Process;
  readonly address: bigint;
  readonly length: number;
}

/** Whole records, as many as there are and fit: bytes, 0 when there is none; -EINVAL when not even one fits, -EFAULT. */
export function* readFaults(
  queue: FaultQueue,
  version: Version,
  { process, address, length }: Transfer,
): Script<number> {
  const { bytes: size } = RECORDS[version];
  const places = Math.floor(length / size);
  if (places === 0) return -EINVAL;
  yield ns(copying(process.cost, queue.peek(places).length * size));
  const records = queue.peek(places);
  const bytes = new Uint8Array(records.length * size);
  for (const [i, record] of records.entries()) bytes.set(RECORDS[version].encode(record), i * size);
  // What cannot be read is still there to be read.
  if (records.length > 0 && process.space.copyToUser(address, bytes) < 0) return -EFAULT;
  queue.consume(records.length);
  return bytes.length;
}

/**
 * Any number of whole responses, in order: bytes of those that were passed on; when the first one is not, -EINVAL, -EFAULT, or
 * -EIO when hardware does not take it.
 */
export function* writeResponses(
  queue: FaultQueue,
  version: Version,
  { process, address, length }: Transfer,
): Script<number> {
  const { bytes: size } = RESPONSES[version];
  if (length === 0 || length % size !== 0) return -EINVAL;
  for (let done = 0; done < length; done += size) {
    yield ns(copying(process.cost, size));
    const response = responseAt(process, version, address + BigInt(done));
    const result = typeof response === 'number' ? response : yield* queue.respond(response);
    if (result < 0) return done === 0 ? result : done;
  }
  return length;
}

function responseAt({ space }: Process, version: Version, address: bigint): FaultResponse | number {
  const struct = RESPONSES[version];
  const bytes = space.copyFromUser(address, struct.bytes);
  if (bytes === undefined) return -EFAULT;
  const words = wordsOf(bytes);
  const response = struct.decode(bytes);
  // One follows the other: there is no place for a longer one.
  const isPlain = response.argsz === struct.bytes && response.flags === 0;
  return isPlain && !struct.padding.some((field) => field.isSet(words)) ? response : -EINVAL;
}
