/** The structures that Identify returns. */
import { bytesOf, encode } from '../../bits/index.ts';
import type { Disk } from './disk.ts';
import { REQUEST_LIMIT } from './events.ts';
import {
  Cns,
  CONTROLLER_TEXTS,
  CQE_LOG2,
  EVERY_NAMESPACE,
  IDENTIFY,
  IDENTIFY_BYTES,
  IDENTIFY_CONTROLLER,
  IDENTIFY_NAMESPACE,
  NAMESPACE,
  NamespaceIdentifier,
  NVME_VENDOR,
  SQE,
  SQE_LOG2,
  Status,
} from './spec/index.ts';

export const VERSION = 0x0001_0400;
export const FIRMWARE = '1.0';

/** What Identify tells of its controller. */
export interface Identified {
  readonly name: string;
  readonly disk: Disk;
  /** Pages of 4 KiB that a command may move, as a power of two. */
  readonly mdts: number;
}

/** A locally administered OUI above the rest of an EUI-64. */
const OUI = 0x02_d3_a0n << 40n;
const SUPPORTED = { NOTICES: 1 << 8, DSM: 1 << 2, WRITE_ZEROES: 1 << 3, EXTENDED_LOGS: 1 << 2 };
const IO_CONTROLLER = 1;
const RECOMMENDED_BURST = 3;
const READ_ONLY_SLOT = 0b11;
const ABORT_LIMIT = 3;
const WARM = { WARNING: 343, CRITICAL: 353 };
const READS_ZEROS = 0b001;
const ZEROES_DEALLOCATE = 0b1000;
const LAST_NSID = 0xffff_fffe;

/** What the command asks for, or the status with which it fails. */
export function identify(of: Identified, words: Uint32Array): Uint8Array | number {
  const nsid = SQE.NSID.get(words);
  switch (IDENTIFY.CNS.get(words)) {
    case Cns.NAMESPACE:
      return nsid === NAMESPACE ? namespace(of.disk) : Status.INVALID_NAMESPACE_OR_FORMAT;
    case Cns.CONTROLLER:
      return controller(of);
    case Cns.ACTIVE_NAMESPACES:
      return nsid >= LAST_NSID ? Status.INVALID_NAMESPACE_OR_FORMAT : list(nsid < NAMESPACE ? [NAMESPACE] : []);
    case Cns.NAMESPACE_DESCRIPTORS:
      return nsid === NAMESPACE ? descriptors(of.disk) : Status.INVALID_NAMESPACE_OR_FORMAT;
    case Cns.COMMAND_SET_CONTROLLER:
      // Of the NVM command set: no limits but those of Identify Controller.
      return IDENTIFY.CSI.get(words) === 0 ? new Uint8Array(IDENTIFY_BYTES) : Status.INVALID_FIELD_IN_COMMAND;
    default:
      return Status.INVALID_FIELD_IN_COMMAND;
  }
}

/** Whether a command about a namespace may go on. */
export function isNamespace(nsid: number, orEvery = false): boolean {
  return nsid === NAMESPACE || (orEvery && nsid === EVERY_NAMESPACE);
}

/** Text in a field of fixed length. */
export function putText(into: Uint8Array, [at, length]: readonly [number, number], text: string, pad = 0x20): void {
  into.fill(pad, at, at + length);
  for (let i = 0; i < Math.min(text.length, length); i++) into[at + i] = text.charCodeAt(i);
}

function controller({ name, mdts }: Identified): Uint8Array {
  const bytes = bytesOf(
    encode(IDENTIFY_CONTROLLER, {
      VID: NVME_VENDOR,
      RAB: RECOMMENDED_BURST,
      MDTS: mdts,
      VER: VERSION,
      OAES: SUPPORTED.NOTICES,
      CNTRLTYPE: IO_CONTROLLER,
      ACL: ABORT_LIMIT,
      AERL: REQUEST_LIMIT,
      FRMW: READ_ONLY_SLOT,
      LPA: SUPPORTED.EXTENDED_LOGS,
      WCTEMP: WARM.WARNING,
      CCTEMP: WARM.CRITICAL,
      SQES: SQE_LOG2 * 0x11,
      CQES: CQE_LOG2 * 0x11,
      NN: NAMESPACE,
      ONCS: SUPPORTED.DSM | SUPPORTED.WRITE_ZEROES,
    }),
  );
  putText(bytes, CONTROLLER_TEXTS.SN, name);
  putText(bytes, CONTROLLER_TEXTS.MN, 'RAM disk');
  putText(bytes, CONTROLLER_TEXTS.FR, FIRMWARE);
  putText(bytes, CONTROLLER_TEXTS.SUBNQN, `nqn.2021-09.org.example:${name}`, 0);
  return bytes;
}

function namespace({ spec: { blocks, blockBytes } }: Disk): Uint8Array {
  return bytesOf(
    encode(IDENTIFY_NAMESPACE, {
      NSZE: blocks,
      NCAP: blocks,
      NUSE: blocks,
      DLFEAT: READS_ZEROS | ZEROES_DEALLOCATE,
      NGUID_LOW: bigEndian(eui64(blocks)),
      EUI64: bigEndian(eui64(blocks)),
      LBAF0_LBADS: 31 - Math.clz32(blockBytes),
    }),
  );
}

function descriptors({ spec: { blocks } }: Disk): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set([NamespaceIdentifier.EUI64, 8], 0);
  view.setBigUint64(4, eui64(blocks));
  bytes.set([NamespaceIdentifier.NGUID, 16], 12);
  view.setBigUint64(12 + 4 + 8, eui64(blocks));
  return bytes;
}

function list(ids: readonly number[]): Uint8Array {
  const words = new Uint32Array(IDENTIFY_BYTES / 4);
  words.set(ids);
  return bytesOf(words);
}

/** Identifiers stand in memory with their first byte first. */
function eui64(blocks: number): bigint {
  return OUI | BigInt.asUintN(40, BigInt(blocks));
}

function bigEndian(value: bigint): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value);
  return view.getBigUint64(0, true);
}
