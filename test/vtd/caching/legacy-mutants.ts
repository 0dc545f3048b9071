/** Units of legacy mode that are broken in one way each. */
import { overlap, reinsert, rekey, reorder, reselect, retag } from '../../caching/break.ts';
import { broken, type Mutant } from './broken.ts';

const GLOBAL = 1;
const DOMAIN = 2;
const PAGE = 3;
const DEVICE = 3;
/** Of the upper half of a page number. */
export const PAGE_BITS = 0xf_ffff;

export const LEGACY_MUTANTS: readonly Mutant[] = [
  broken('The IOTLB is looked up without the source id.', ({ translator: { iotlb } }) => {
    retag(iotlb, (_, hi, lo) => [0, hi, lo]);
  }),
  broken('The IOTLB drops address bits above 43.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space, hi & ~PAGE_BITS, lo]);
  }),
  broken('Second-stage structures are looked up without the domain id.', ({ translator }) => {
    retag(translator.secondStage.structures, (_, hi, lo) => [0, hi, lo]);
  }),
  broken('Second-stage structures drop address bits above 43.', ({ translator }) => {
    retag(translator.secondStage.structures, (space, hi, lo) => [space, hi & ~PAGE_BITS, lo]);
  }),
  broken('Second-stage structures forget the rights of the levels above.', ({ translator }) => {
    const { structures } = translator.secondStage;
    if (structures === null) return;
    const { fill } = structures;
    structures.fill = (i, hi, lo, _, domain) => fill.call(structures, i, hi, lo, 3, domain);
  }),
  broken('The context cache drops the function number.', ({ translator: { legacy } }) => {
    rekey(legacy.cache, (key) => key & ~7);
  }),
  broken('A context-cache invalidation ignores the function mask.', ({ invalidator }) => {
    reorder(invalidator, 'contexts', (what) => ({ ...what, functionMask: 0 }));
  }),
  broken('A context-cache invalidation drops the function of the source id.', ({ invalidator }) => {
    reorder(invalidator, 'contexts', (what) => ({ ...what, requester: what.requester & ~7 }));
  }),
  broken('A domain-selective context-cache invalidation takes domain 1 for every domain.', ({ invalidator }) => {
    reorder(invalidator, 'contexts', (what) => (what.granularity === DOMAIN ? { ...what, domain: 1 } : what));
  }),
  broken('A device-selective context-cache invalidation takes domain 1 for every domain.', ({ invalidator }) => {
    reorder(invalidator, 'contexts', (what) => (what.granularity === DEVICE ? { ...what, domain: 1 } : what));
  }),
  broken('A global context-cache invalidation keeps what domain 2 has.', ({ invalidator }) => {
    reorder(invalidator, 'contexts', (what) =>
      what.granularity === GLOBAL ? { ...what, granularity: DOMAIN, domain: 1 } : what,
    );
  }),
  broken('A domain-selective IOTLB invalidation takes domain 1 for every domain.', ({ invalidator }) => {
    reorder(invalidator, 'iotlb', (what) => (what.granularity === DOMAIN ? { ...what, domain: 1 } : what));
  }),
  broken('A page-selective IOTLB invalidation takes domain 1 for every domain.', ({ invalidator }) => {
    reorder(invalidator, 'iotlb', (what) => (what.granularity === PAGE ? { ...what, domain: 1 } : what));
  }),
  broken('A global IOTLB invalidation keeps what domain 2 has.', ({ invalidator }) => {
    reorder(invalidator, 'iotlb', (what) =>
      what.granularity === GLOBAL ? { ...what, granularity: DOMAIN, domain: 1 } : what,
    );
  }),
  broken('With IH=0 second-stage structures stay.', ({ invalidator }) => {
    reorder(invalidator, 'iotlb', (what) => ({ ...what, leavesOnly: true }));
  }),
  broken('The address mask counts as 0.', ({ invalidator }) => {
    reorder(invalidator, 'iotlb', (what) => ({ ...what, order: 0 }));
  }),
  broken('A range begins at its address, whatever the mask.', ({ translator }) => {
    for (const cache of [translator.iotlb, translator.secondStage.structures]) {
      reselect(cache, ({ page, shift }, from, order) => page + 2 ** (shift - 12) > from && page < from + 2 ** order);
    }
  }),
  broken('An invalidation by page misses superpages.', ({ translator: { iotlb } }) => {
    reselect(iotlb, (entry, page, order) => entry.shift <= order + 12 && overlap(entry, page, order));
  }),
  broken('An invalidation by page misses structures of larger ranges.', ({ translator }) => {
    reselect(translator.secondStage.structures, (entry, page, order) => {
      return entry.shift <= order + 12 && overlap(entry, page, order);
    });
  }),
  broken('An invalidation by page drops address bits above 43.', ({ invalidator }) => {
    reorder(invalidator, 'iotlb', (what) => ({ ...what, addressHi: what.addressHi & 0xfff }));
  }),
  broken('The IOTLB is left alone by domain.', ({ translator: { iotlb } }) => {
    if (iotlb !== null) iotlb.removeDomain = () => 0;
  }),
  broken('Second-stage structures are left alone by domain.', ({ translator }) => {
    const { structures } = translator.secondStage;
    if (structures !== null) structures.removeDomain = () => 0;
  }),
  broken('A walk fills caches although an invalidation has come since it began.', ({ translator: { era } }) => {
    era.mayFill = (t) => t.effects;
  }),
  broken(
    'With CM=1 a faulting context entry is kept under its own domain.',
    ({ translator: { legacy } }) => {
      reinsert(legacy.cache, (context) => (context.fault === null ? context : { ...context, domain: 1 }));
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
