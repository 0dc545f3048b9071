/** Units of scalable mode that are broken in one way each. */
import type { IotlbEntry } from '../../../hardware/iommu/index.ts';
import { overlap, PAGE_HI_WORD, reinsert, rekey, reorder, reselect, retag } from '../../caching/break.ts';
import { broken, type Mutant, type Parts } from './broken.ts';
import { PAGE_BITS } from './legacy-mutants.ts';

const GLOBAL = 1;
const DOMAIN = 2;
const PAGE = 3;
/** Granularities of PASID-cache invalidation. */
const CACHE = { DOMAIN: 0, PASID: 1, GLOBAL: 3 } as const;
/** Of the upper half of a page number: where the upper part of a PASID stands. */
const UPPER_PASID = 0xf << 26;
const PASIDS = 2 ** 20;

const usesFirst = ({ flags }: IotlbEntry): boolean => flags >>> 8 === 1 || flags >>> 8 === 3;

/** Translations by a first-stage leaf with G survive an invalidation that names a PASID. */
function keepGlobalPages({ translator: { iotlb, firstStage }, invalidator }: Parts): void {
  if (iotlb === null) return;
  const { walk } = firstStage;
  const { fill, removeWhere, removeOverlapping } = iotlb;
  const nameOf = ({ space, page, shift }: IotlbEntry): string => `${space} ${page} ${shift}`;
  const globals = new Set<string>();
  let isGlobal = false;
  firstStage.walk = function* (t, space, write) {
    const fault = yield* walk.call(firstStage, t, space, write);
    isGlobal = space.second === null && (t.memory.words[0]! & 0x100) !== 0;
    return fault;
  };
  iotlb.fill = (i, ...what) => {
    fill.call(iotlb, i, ...what);
    if (isGlobal) globals.add(nameOf(iotlb.entry(i)));
    else globals.delete(nameOf(iotlb.entry(i)));
  };
  const pasidIotlb = invalidator.pasidIotlb;
  invalidator.pasidIotlb = (what) => {
    iotlb.removeWhere = (select) => removeWhere.call(iotlb, (entry) => !globals.has(nameOf(entry)) && select(entry));
    iotlb.removeOverlapping = (hi, lo, order, select) =>
      removeOverlapping.call(iotlb, hi, lo, order, (entry) => !globals.has(nameOf(entry)) && select(entry));
    const done = pasidIotlb.call(invalidator, what);
    Object.assign(iotlb, { removeWhere, removeOverlapping });
    return done;
  };
}

export const SCALABLE_MUTANTS: readonly Mutant[] = [
  broken('The IOTLB is looked up without the source id.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space & ~0xffff, hi, lo]);
  }),
  broken('The IOTLB is looked up without the PASID.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space & 0xffff, hi & ~UPPER_PASID, lo]);
  }),
  broken('The IOTLB drops PASID bits above 15.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space, hi & ~UPPER_PASID, lo]);
  }),
  broken('The IOTLB takes requests with and without PASID for one.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space & 0xffff, hi & PAGE_BITS, lo]);
  }),
  broken('The IOTLB drops address bits above 43.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space, hi & ~PAGE_BITS, lo]);
  }),
  broken('Translations of requests without PASID are not in RID_PASID.', ({ translator: { iotlb } }) => {
    if (iotlb === null) return;
    const { fill, words } = iotlb;
    iotlb.fill = (i, hi, lo, flags, domain, pasid) => {
      fill.call(iotlb, i, hi, lo, flags, domain, words[i + PAGE_HI_WORD]! >>> 26 === 0 ? -1 : pasid);
    };
  }),
  broken('Second-stage structures are looked up without the domain id.', ({ translator }) => {
    retag(translator.secondStage.structures, (_, hi, lo) => [0, hi, lo]);
  }),
  broken('First-stage structures are looked up without the domain id.', ({ translator }) => {
    retag(translator.firstStage.structures, (space, hi, lo) => [space & ~0xffff, hi, lo]);
  }),
  broken('First-stage structures are looked up without the PASID.', ({ translator }) => {
    retag(translator.firstStage.structures, (space, hi, lo) => [space & 0xffff, hi & PAGE_BITS, lo]);
  }),
  broken('First-stage structures drop PASID bits above 15.', ({ translator }) => {
    retag(translator.firstStage.structures, (space, hi, lo) => [space, hi & PAGE_BITS, lo]);
  }),
  broken('First-stage structures drop address bits above 43.', ({ translator }) => {
    retag(translator.firstStage.structures, (space, hi, lo) => [space, hi & ~PAGE_BITS, lo]);
  }),
  broken('First-stage structures forget the rights of the levels above.', ({ translator }) => {
    const { structures } = translator.firstStage;
    if (structures === null) return;
    const { fill } = structures;
    structures.fill = (i, hi, lo, _, domain, pasid) => fill.call(structures, i, hi, lo, 6, domain, pasid);
  }),
  broken('The context cache drops the function number.', ({ translator }) => {
    rekey(translator.scalable.contexts, (key) => key & ~7);
  }),
  broken('The PASID cache is looked up without the source id.', ({ translator }) => {
    rekey(translator.scalable.pasids, (key) => key % PASIDS);
  }),
  broken('The PASID cache is looked up without the PASID.', ({ translator }) => {
    rekey(translator.scalable.pasids, (key) => Math.floor(key / PASIDS));
  }),
  broken('The PASID cache drops PASID bits above 15.', ({ translator }) => {
    rekey(translator.scalable.pasids, (key) => Math.floor(key / PASIDS) * PASIDS + (key % 0x1_0000));
  }),
  broken('A context-cache invalidation ignores the function mask.', ({ invalidator }) => {
    reorder(invalidator, 'contexts', (what) => ({ ...what, functionMask: 0 }));
  }),
  broken('A context-cache invalidation drops the function of the source id.', ({ invalidator }) => {
    reorder(invalidator, 'contexts', (what) => ({ ...what, requester: what.requester & ~7 }));
  }),
  broken('A domain-selective context-cache invalidation removes nothing.', ({ invalidator }) => {
    const { contexts } = invalidator;
    invalidator.contexts = (what) => what.granularity === DOMAIN || contexts.call(invalidator, what);
  }),
  broken('The PASID cache keeps everything.', ({ invalidator }) => {
    invalidator.pasids = () => true;
  }),
  broken('A PASID-cache invalidation takes domain 1 for every domain.', ({ invalidator }) => {
    reorder(invalidator, 'pasids', (what) => ({ ...what, domain: 1 }));
  }),
  broken('A PASID-cache invalidation drops PASID bits above 15.', ({ invalidator }) => {
    reorder(invalidator, 'pasids', (what) => ({ ...what, pasid: what.pasid & 0xffff }));
  }),
  broken('A global PASID-cache invalidation keeps what domain 1 does not have.', ({ invalidator }) => {
    reorder(invalidator, 'pasids', (what) =>
      what.granularity === CACHE.GLOBAL ? { ...what, granularity: CACHE.DOMAIN, domain: 1 } : what,
    );
  }),
  broken('A domain-selective IOTLB invalidation takes domain 1 for every domain.', ({ invalidator }) => {
    reorder(invalidator, 'iotlb', (what) => (what.granularity === DOMAIN ? { ...what, domain: 1 } : what));
  }),
  broken('A global IOTLB invalidation keeps what domain 1 does not have.', ({ invalidator }) => {
    reorder(invalidator, 'iotlb', (what) =>
      what.granularity === GLOBAL ? { ...what, granularity: DOMAIN, domain: 1 } : what,
    );
  }),
  broken('An IOTLB invalidation by page keeps translations that a first stage takes part in.', (unit) => {
    const { iotlb } = unit.translator;
    if (iotlb === null) return;
    const { removeWhere } = iotlb;
    const invalidate = unit.invalidator.iotlb;
    unit.invalidator.iotlb = (what) => {
      if (what.granularity === PAGE) iotlb.removeWhere = () => 0;
      const done = invalidate.call(unit.invalidator, what);
      iotlb.removeWhere = removeWhere;
      return done;
    };
  }),
  broken('An IOTLB invalidation keeps first-stage structures.', ({ translator }) => {
    const { structures } = translator.firstStage;
    if (structures !== null) structures.removeDomain = () => 0;
  }),
  broken('With IH=0 second-stage structures stay.', ({ invalidator }) => {
    reorder(invalidator, 'iotlb', (what) => ({ ...what, leavesOnly: true }));
  }),
  broken('With IH=0 first-stage structures stay.', ({ invalidator }) => {
    reorder(invalidator, 'pasidIotlb', (what) => ({ ...what, leavesOnly: true }));
  }),
  broken('The address mask of a PASID-based invalidation counts as 0.', ({ invalidator }) => {
    reorder(invalidator, 'pasidIotlb', (what) => ({ ...what, order: 0 }));
  }),
  broken('A PASID-based invalidation takes domain 1 for every domain.', ({ invalidator }) => {
    reorder(invalidator, 'pasidIotlb', (what) => ({ ...what, domain: 1 }));
  }),
  broken('A PASID-based invalidation drops PASID bits above 15.', ({ invalidator }) => {
    reorder(invalidator, 'pasidIotlb', (what) => ({ ...what, pasid: what.pasid & 0xffff }));
  }),
  broken('A PASID-based invalidation drops address bits above 43.', ({ invalidator }) => {
    reorder(invalidator, 'pasidIotlb', (what) => ({ ...what, addressHi: what.addressHi & 0xfff }));
  }),
  broken('A PASID-selective invalidation keeps translations without a first stage.', ({ translator: { iotlb } }) => {
    if (iotlb === null) return;
    const { removeWhere } = iotlb;
    iotlb.removeWhere = (select) => removeWhere.call(iotlb, (entry) => usesFirst(entry) && select(entry));
  }),
  broken(
    'A PASID-based invalidation by page misses superpages.',
    ({ translator: { iotlb } }) => {
      reselect(iotlb, (entry, page, order) => entry.shift <= order + 12 && overlap(entry, page, order));
    },
    { caches: ['iotlb'] },
  ),
  broken('A PASID-based invalidation by page misses structures of larger ranges.', ({ translator }) => {
    reselect(translator.firstStage.structures, (entry, page, order) => {
      return entry.shift <= order + 12 && overlap(entry, page, order);
    });
  }),
  broken('A PASID-based invalidation keeps global pages.', keepGlobalPages, { caches: ['iotlb'] }),
  broken('A walk fills caches although an invalidation has come since it began.', ({ translator: { era } }) => {
    era.mayFill = (t) => t.effects;
  }),
  broken(
    'With CM=1 a faulting PASID-table entry stays in the PASID cache.',
    ({ translator }) => {
      reinsert(translator.scalable.pasids, (space) =>
        space.fault === null ? space : { ...space, pasid: -1, domain: 9 },
      );
    },
    { setting: { cm: true } },
  ),
  broken(
    'With CM=0 entries that are absent are kept.',
    ({ translator: { capabilities } }) => {
      const { has } = capabilities;
      capabilities.has = (name) => name === 'CM' || has.call(capabilities, name);
    },
    { setting: { cm: false } },
  ),
];
