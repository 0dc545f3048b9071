/** The invalidation queue: every descriptor that lies in it, done or waiting. */
import { type AnyLayout, hex, wordsOf } from '../../bits/index.ts';
import { entryView, type TableNode } from '../../iommu/index.ts';
import { DESCRIPTOR_HEADER, DESCRIPTORS, GSTS, IQA, IQH, IQT } from '../spec/index.ts';
import { Budget, MORE, type ReadBytes } from './paging.ts';

const PAGE = 4096;

/** `registers` are the words of the register page. */
export function invalidationQueue(registers: Uint32Array, read: ReadBytes): TableNode {
  const queue = IQA.IQA.address(registers);
  const bytes = PAGE * 2 ** IQA.QS.get(registers);
  const size = IQA.DW.isSet(registers) ? 32 : 16;
  const [headAt, tailAt] = [IQH.QH.address(registers), IQT.QT.address(registers)];
  const budget = new Budget();
  const children: TableNode[] = [];
  for (let offset = 0; offset < bytes; offset += size) {
    const found = read(queue + offset, size);
    if (found === undefined) break;
    const words = wordsOf(found);
    const marks = [...(offset === headAt ? ['head'] : []), ...(offset === tailAt ? ['tail'] : [])];
    if (words.every((word) => word === 0) && marks.length === 0) continue;
    if (budget.nodes-- <= 0) {
      children.push(MORE);
      break;
    }
    const layout = layoutOf(words);
    const node = { what: layout.$.name, index: `[${offset / size}]`, entry: entryView(layout, words, queue + offset) };
    children.push(
      marks.length === 0 ? { ...node, children: [] } : { ...node, note: marks.join(' and '), children: [] },
    );
  }
  const state = GSTS.QIES.isSet(registers) ? '' : ', off';
  const index = `of ${bytes / size} descriptors of ${size} bytes${state}`;
  return { what: `invalidation queue at ${hex(queue)}`, index, children };
}

function layoutOf(words: Uint32Array): AnyLayout {
  const type = DESCRIPTOR_HEADER.TYPE.get(words) | (DESCRIPTOR_HEADER.TYPE_HIGH.get(words) << 4);
  const found = DESCRIPTORS.find((descriptor) => descriptor.type === type)?.layout;
  // A layout wider than the queue's descriptors cannot be read from them.
  return found === undefined || found.$.words > words.length ? DESCRIPTOR_HEADER : found;
}
