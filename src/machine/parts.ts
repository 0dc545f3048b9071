/** The parts of a machine, as traces call them. */
import type { TracePart } from '../recorder/index.ts';
import { type Hardware, IOMMU_NAME } from './hardware.ts';

type Role = TracePart['role'];

export function partsOf({ controller, rootComplex, fabric, requesters }: Hardware): TracePart[] {
  const all: readonly (readonly [Role, Iterable<string>])[] = [
    ['program', ['program']],
    ['kernel', ['kernel']],
    ['core', ['cpu']],
    ['device', requesters.keys()],
    ['link', fabric.links.map(({ link }) => `link ${link.name}`)],
    ['switch', fabric.switches.keys()],
    ['root', [rootComplex.name]],
    ['iommu', [IOMMU_NAME]],
    ['memory', [controller.name]],
  ];
  return all.flatMap(([role, names]) => [...names].map((name) => ({ name, role })));
}
