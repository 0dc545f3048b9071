/** The unit's rings: the invalidation queue and the page request queue, with every entry that lies in them. */
import { type AnyLayout, hex } from '../../bits/index.ts';
import { type ReadBytes, ringNodes, type TableNode } from '../../iommu/index.ts';
import {
  DESCRIPTOR_HEADER,
  DESCRIPTORS,
  GSTS,
  IQA,
  IQH,
  IQT,
  PAGE_REQUEST_DESCRIPTOR,
  PQA,
  PQH,
  PQT,
} from '../spec/index.ts';

const PAGE = 4096;

/** `registers` are the words of the register page. */
export function invalidationQueue(registers: Uint32Array, read: ReadBytes): TableNode {
  const start = IQA.IQA.address(registers);
  const bytes = PAGE * 2 ** IQA.QS.get(registers);
  const entryBytes = IQA.DW.isSet(registers) ? 32 : 16;
  const [head, tail] = [IQH.QH.address(registers), IQT.QT.address(registers)];
  const children = ringNodes(read, { start, bytes, entryBytes, head, tail }, layoutOf);
  const state = GSTS.QIES.isSet(registers) ? '' : ', off';
  const index = `of ${bytes / entryBytes} descriptors of ${entryBytes} bytes${state}`;
  return { what: `invalidation queue at ${hex(start)}`, index, children };
}

/** What devices have asked for. */
export function pageRequestQueue(registers: Uint32Array, read: ReadBytes): TableNode {
  const start = PQA.PQA.address(registers);
  const bytes = PAGE * 2 ** PQA.PQS.get(registers);
  const entryBytes = PAGE_REQUEST_DESCRIPTOR.$.words * 4;
  const [head, tail] = [PQH.PQH.address(registers), PQT.PQT.address(registers)];
  const children = ringNodes(read, { start, bytes, entryBytes, head, tail }, () => PAGE_REQUEST_DESCRIPTOR);
  return { what: `page request queue at ${hex(start)}`, index: `of ${bytes / entryBytes} descriptors`, children };
}

function layoutOf(words: Uint32Array): AnyLayout {
  const type = DESCRIPTOR_HEADER.TYPE.get(words) | (DESCRIPTOR_HEADER.TYPE_HIGH.get(words) << 4);
  const found = DESCRIPTORS.find((descriptor) => descriptor.type === type)?.layout;
  // A layout wider than the queue's descriptors cannot be read from them.
  return found === undefined || found.$.words > words.length ? DESCRIPTOR_HEADER : found;
}
