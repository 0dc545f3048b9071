/** Units with guest tables that are broken in one way each. */
import { overlap, rekey, reorder, reselect, retag } from '../../caching/break.ts';
import { broken, type Mutant, type Parts } from './broken.ts';
import { dirty, PAGE_BITS } from './host-mutants.ts';

/** NESTED of an IOTLB entry. */
const NESTED = 0x200;
const PASID_BITS = 20;
const LOW_PASID_BITS = 16;

/** Some caches keep everything while INVALIDATE_IOMMU_PAGES of a kind is carried out. */
function spare(unit: Parts, ofGuest: boolean, part: (unit: Parts) => Removing): void {
  const { invalidator } = unit;
  const cache = part(unit);
  if (cache === null) return;
  const { pages } = invalidator;
  invalidator.pages = (what) => {
    if ((what.pasid !== null) === ofGuest) Object.assign(cache, NOTHING_GOES);
    pages.call(invalidator, what);
    // What the class does is found again.
    for (const name of Object.keys(NOTHING_GOES)) Reflect.deleteProperty(cache, name);
  };
}

const NOTHING_GOES = { removeWhere: () => 0, removeOverlapping: () => 0 };
type Removing = Parts['translator']['iotlb'] | Parts['translator']['guests']['gcr3']['cache'];

export const GUEST_MUTANTS: readonly Mutant[] = [
  broken('The IOTLB drops the PASID.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space & 0xffff, hi & ~(0x3fff_0000 << 2), lo]);
  }),
  broken('The IOTLB drops PASID bits above 15.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space, hi & ~(0xf << 26), lo]);
  }),
  broken('The IOTLB does not tell requests without PASID from those of PASID 0.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space, hi & ~(1 << 30), lo]);
  }),
  broken('The IOTLB is looked up without the tables.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space & ~0xffff, hi, lo]);
  }),
  broken('The GCR3 cache drops the PASID.', ({ translator: { guests } }) => {
    rekey(guests.gcr3.cache, (key) => Math.floor(key / 2 ** PASID_BITS));
  }),
  broken('The GCR3 cache drops PASID bits above 15.', ({ translator: { guests } }) => {
    rekey(
      guests.gcr3.cache,
      (key) => Math.floor(key / 2 ** PASID_BITS) * 2 ** PASID_BITS + (key % 2 ** LOW_PASID_BITS),
    );
  }),
  broken('The GCR3 cache is looked up without the tables.', ({ translator: { guests } }) => {
    rekey(guests.gcr3.cache, (key) => key % 2 ** PASID_BITS);
  }),
  broken('The guest page-directory cache drops the PASID.', ({ translator: { guests } }) => {
    retag(guests.directory.cache, (space, hi, lo) => [space & 0xffff, hi & PAGE_BITS, lo]);
  }),
  broken('The guest page-directory cache drops PASID bits above 15.', ({ translator: { guests } }) => {
    retag(guests.directory.cache, (space, hi, lo) => [space, hi & PAGE_BITS, lo]);
  }),
  broken('The guest page-directory cache is looked up without the tables.', ({ translator: { guests } }) => {
    retag(guests.directory.cache, (space, hi, lo) => [space & ~0xffff, hi, lo]);
  }),
  broken('The guest page-directory cache forgets what the levels above grant.', ({ translator }) => {
    const { cache } = translator.guests.directory;
    if (cache === null) return;
    const { fill } = cache;
    cache.fill = (i, hi, lo, _, domain, pasid) => fill.call(cache, i, hi, lo, 7, domain, pasid);
  }),
  broken('The host page-directory cache forgets the rights of the levels above.', ({ translator }) => {
    const { cache } = translator.hosts.directory;
    if (cache === null) return;
    const { fill } = cache;
    cache.fill = (i, hi, lo, _, domain, pasid) => fill.call(cache, i, hi, lo, 3, domain, pasid);
  }),
  broken('GN counts as 0.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => ({ ...what, pasid: null }));
  }),
  broken('With GN the PASID counts as 5.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => (what.pasid === null ? what : { ...what, pasid: 5 }));
  }),
  broken('INVALIDATE_IOMMU_PAGES drops PASID bits above 15.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => (what.pasid === null ? what : { ...what, pasid: what.pasid & 0xffff }));
  }),
  broken('With GN the domain counts as 1.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => (what.pasid === null ? what : { ...what, domain: 1 }));
  }),
  broken('With GN a range is one page.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => (what.pasid === null ? what : { ...what, isRange: false }));
  }),
  broken('With GN an invalidation misses pages larger than its range.', ({ translator: { iotlb } }) => {
    reselect(iotlb, (entry, page, order) => {
      return (entry.pasid < 0 || entry.shift <= order + 12) && overlap(entry, page, order);
    });
  }),
  broken(
    'With GN an invalidation misses directory entries of larger ranges.',
    ({ translator: { guests } }) => {
      reselect(guests.directory.cache, (entry, page, order) => {
        return entry.shift <= order + 12 && overlap(entry, page, order);
      });
    },
    { caches: ['guestDirectoryCache'] },
  ),
  broken('With GN the IOTLB keeps everything.', (unit) => {
    spare(unit, true, ({ translator }) => translator.iotlb);
  }),
  broken('With GN and PDE the GCR3 cache keeps everything.', (unit) => {
    spare(unit, true, ({ translator }) => translator.guests.gcr3.cache);
  }),
  broken('With GN and PDE the guest page-directory cache keeps everything.', (unit) => {
    spare(unit, true, ({ translator }) => translator.guests.directory.cache);
  }),
  broken('Without GN the host page-directory cache keeps everything.', (unit) => {
    spare(unit, false, ({ translator }) => translator.hosts.directory.cache);
  }),
  broken('Without GN nested translations stay.', ({ translator: { iotlb } }) => {
    if (iotlb === null) return;
    const { fill } = iotlb;
    iotlb.fill = (i, hi, lo, flags, domain, pasid) => fill.call(iotlb, i, hi, lo, flags & ~NESTED, domain, pasid);
  }),
  broken(
    'Without GN the GCR3 cache keeps what it found through the host table.',
    (unit) => {
      spare(unit, false, ({ translator }) => translator.guests.gcr3.cache);
    },
    { caches: ['gcr3Cache'], setting: { rootIsGuest: true } },
  ),
  broken('A translation in two stages is as large as the guest’s page.', ({ translator: { iotlb } }) => {
    if (iotlb === null) return;
    const { insert } = iotlb;
    iotlb.insert = (space, hi, lo, shift) =>
      insert.call(iotlb, space, hi, lo, space >>> 16 === 0 ? shift : Math.max(shift, 21));
  }),
  broken('INVALIDATE_IOMMU_ALL keeps the GCR3 cache.', ({ translator: { guests } }) => {
    if (guests.gcr3.cache !== null) guests.gcr3.cache.clear = () => {};
  }),
  broken('INVALIDATE_IOMMU_ALL keeps the guest page-directory cache.', ({ translator: { guests } }) => {
    const { cache } = guests.directory;
    if (cache !== null) cache.clear = () => {};
  }),
  broken(
    'A write that hits the IOTLB sets no dirty flag.',
    ({ translator: { iotlb } }) => {
      if (iotlb === null) return;
      const { fill } = iotlb;
      iotlb.fill = (i, hi, lo, flags, domain, pasid) => fill.call(iotlb, i, hi, lo, dirty(flags), domain, pasid);
    },
    { setting: { flags: true } },
  ),
  broken('Pages for supervisors are kept as pages for all.', ({ translator: { iotlb } }) => {
    if (iotlb === null) return;
    const { fill } = iotlb;
    iotlb.fill = (i, hi, lo, flags, domain, pasid) => fill.call(iotlb, i, hi, lo, dirty(flags | 0x40), domain, pasid);
  }),
];
