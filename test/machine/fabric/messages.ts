/** Messages for the root complex and its agent: what each carries, and where it has room for the number of its writer. */
import { invalidateCompletion, pageRequest } from '../../../hardware/ats/index.ts';
import { Attribute, MessageCode, NO_PASID, type Tlp } from '../../../hardware/pcie/index.ts';

const { RELAXED_ORDERING, ID_ORDERING } = Attribute;

/** Attributes that are not reserved in it (PCIe 2.2.8, 10.3.2, 10.4), and how it is made. */
interface HostMessage {
  readonly attributes: number;
  readonly fill: (tlp: Tlp, requester: number, writer: number, pasid: number) => Tlp;
}

/** Everybody must copy the bytes that are reserved in it and look at none: there the number travels (2.2.8). */
function withNumber(code: number): HostMessage {
  return { attributes: ID_ORDERING, fill: (tlp, requester, writer) => tlp.message(requester, code, [0, writer]) };
}

export const AGENT = 0;

const TO_HOST: readonly HostMessage[] = [
  {
    attributes: RELAXED_ORDERING | ID_ORDERING,
    fill: (tlp, requester, writer, pasid) => {
      const rights = { read: true, write: (writer & 1) !== 0, execute: false, privileged: false };
      return pageRequest(tlp, { requester, pasid, hi: 1, lo: writer << 12, ...rights, last: true, group: writer });
    },
  },
  {
    attributes: 0,
    fill: (tlp, requester, writer) => invalidateCompletion(tlp, AGENT, { requester, tags: writer, count: 1 }),
  },
  withNumber(MessageCode.ERR_COR),
  withNumber(MessageCode.ERR_NONFATAL),
  withNumber(MessageCode.ERR_FATAL),
  withNumber(MessageCode.PM_PME),
  withNumber(MessageCode.VENDOR_DEFINED_TYPE_1),
];

/** Makes the `nth` kind of message, modulo their number, with those of `attributes` that it may have. */
export function messageToHost(tlp: Tlp, nth: number, requester: number, writer: number, asked: Asked): Tlp {
  const { attributes, fill } = TO_HOST[nth % TO_HOST.length]!;
  fill(tlp, requester, writer, asked.pasid ?? NO_PASID).attributes = asked.attributes & attributes;
  return tlp;
}

interface Asked {
  readonly attributes: number;
  readonly pasid: number | undefined;
}

/** Who has sent a message; a response has the number of who asked. */
export function writerOfMessage({ messageCode, addressHi, addressLo }: Tlp): number {
  if (messageCode === MessageCode.PAGE_REQUEST) return (addressLo >>> 3) & 0x1ff;
  return messageCode === MessageCode.PAGE_REQUEST_GROUP_RESPONSE ? addressHi & 0x1ff : addressLo;
}
