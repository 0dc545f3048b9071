/** Units without guest tables that are broken in one way each. */
import { overlap, rekey, reorder, reselect, retag } from '../../caching/break.ts';
import { broken, type Mutant } from './broken.ts';

/** Of the upper half of a page number. */
export const PAGE_BITS = 0xf_ffff;

export const HOST_MUTANTS: readonly Mutant[] = [
  broken('The IOTLB is looked up without the tables.', ({ translator: { iotlb } }) => {
    retag(iotlb, (_, hi, lo) => [0, hi, lo]);
  }),
  broken('The IOTLB drops address bits above 43.', ({ translator: { iotlb } }) => {
    retag(iotlb, (space, hi, lo) => [space, hi & ~PAGE_BITS, lo]);
  }),
  broken('A page of several entries is kept as if it were as large as the next level’s.', ({ translator }) => {
    const { iotlb } = translator;
    if (iotlb === null) return;
    const { insert } = iotlb;
    iotlb.insert = (space, hi, lo, shift) => insert.call(iotlb, space, hi, lo, 12 + 9 * Math.ceil((shift - 12) / 9));
  }),
  broken('The host page-directory cache is looked up without the tables.', ({ translator }) => {
    retag(translator.hosts.directory.cache, (_, hi, lo) => [0, hi, lo]);
  }),
  broken('The host page-directory cache drops address bits above 43.', ({ translator }) => {
    retag(translator.hosts.directory.cache, (space, hi, lo) => [space, hi & ~PAGE_BITS, lo]);
  }),
  broken('The host page-directory cache forgets the rights of the levels above.', ({ translator }) => {
    const { cache } = translator.hosts.directory;
    if (cache === null) return;
    const { fill } = cache;
    cache.fill = (i, hi, lo, _, domain, pasid) => fill.call(cache, i, hi, lo, 3, domain, pasid);
  }),
  broken('An entry is kept one level above that where it counts.', ({ translator }) => {
    const { directory } = translator.hosts;
    const { keep } = directory;
    directory.keep = (t, tags, level, target, rights) => keep.call(directory, t, tags, level + 1, target, rights);
  }),
  broken('The device table cache drops the function number.', ({ translator: { devices } }) => {
    rekey(devices.cache, (key) => key & ~7);
  }),
  broken('The device table cache drops the bus number.', ({ translator: { devices } }) => {
    rekey(devices.cache, (key) => key & 0xff);
  }),
  broken('INVALIDATE_DEVTAB_ENTRY drops the function number.', ({ invalidator }) => {
    reorder(invalidator, 'device', (deviceId) => deviceId & ~7);
  }),
  broken('INVALIDATE_DEVTAB_ENTRY drops the bus number.', ({ invalidator }) => {
    reorder(invalidator, 'device', (deviceId) => deviceId & 0xff);
  }),
  broken('INVALIDATE_IOMMU_PAGES takes domain 1 for every domain.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => ({ ...what, domain: 1 }));
  }),
  broken('INVALIDATE_IOMMU_PAGES drops the upper half of the domain id.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => ({ ...what, domain: what.domain & 0xff }));
  }),
  broken('PDE counts as 0.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => ({ ...what, directories: false }));
  }),
  broken('S counts as 0.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => ({ ...what, isRange: false }));
  }),
  broken('A range is half as large as its address says.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => ({ ...what, lo: what.isRange ? halved(what.lo) : what.lo }));
  }),
  broken('A range begins at its address.', ({ translator }) => {
    for (const cache of [translator.iotlb, translator.hosts.directory.cache]) {
      reselect(cache, ({ page, shift }, from, order) => page + 2 ** (shift - 12) > from && page < from + 2 ** order);
    }
  }),
  broken('Everything, as a range, is one page.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) =>
      what.hi === 0x7fff_ffff ? { ...what, hi: 0, lo: 0, isRange: false } : what,
    );
  }),
  broken('An invalidation misses pages larger than its range.', ({ translator: { iotlb } }) => {
    reselect(iotlb, (entry, page, order) => entry.shift <= order + 12 && overlap(entry, page, order));
  }),
  broken('An invalidation misses pages of several entries.', ({ translator: { iotlb } }) => {
    reselect(iotlb, (entry, page, order) => (entry.shift - 12) % 9 === 0 && overlap(entry, page, order));
  }),
  broken('An invalidation misses directory entries of larger ranges.', ({ translator }) => {
    reselect(translator.hosts.directory.cache, (entry, page, order) => {
      return entry.shift <= order + 12 && overlap(entry, page, order);
    });
  }),
  broken('An invalidation drops address bits above 43.', ({ invalidator }) => {
    reorder(invalidator, 'pages', (what) => (what.hi === 0x7fff_ffff ? what : { ...what, hi: what.hi & 0xfff }));
  }),
  broken('INVALIDATE_IOMMU_ALL keeps the device table cache.', ({ translator: { devices } }) => {
    if (devices.cache !== null) devices.cache.clear = () => {};
  }),
  broken('INVALIDATE_IOMMU_ALL keeps the IOTLB.', ({ translator: { iotlb } }) => {
    if (iotlb !== null) iotlb.clear = () => {};
  }),
  broken('INVALIDATE_IOMMU_ALL keeps the host page-directory cache.', ({ translator: { hosts } }) => {
    const { cache } = hosts.directory;
    if (cache !== null) cache.clear = () => {};
  }),
  broken('A walk fills caches although an invalidation has come since it began.', ({ translator: { era } }) => {
    era.mayFill = (t) => t.effects;
  }),
  broken(
    'With NpCache = 0 entries of absent devices are kept.',
    ({ features }) => {
      const { has } = features;
      features.has = (name) => name === 'NpCache' || has.call(features, name);
    },
    { setting: { np: false } },
  ),
  broken(
    'A write that hits the IOTLB sets no dirty flag.',
    ({ translator: { iotlb } }) => {
      if (iotlb === null) return;
      const { fill } = iotlb;
      iotlb.fill = (i, hi, lo, flags, domain, pasid) => fill.call(iotlb, i, hi, lo, dirty(flags), domain, pasid);
    },
    { setting: { hostFlags: true } },
  ),
  broken('Domains are not told apart by their tables.', ({ translator }) => {
    const { devices } = translator;
    const { decode } = devices;
    devices.decode = (words, isQuestion) => {
      const entry = decode.call(devices, words, isQuestion);
      const { domain, host } = entry;
      return { ...entry, context: domain, host: host && { ...host, context: domain } };
    };
  }),
];

/** Without the highest of the ones below the lowest 0 of a page number. */
function halved(lo: number): number {
  const page = lo >>> 12;
  const zero = ~page & (page + 1);
  return (page & (zero >>> 1)) !== 0 ? ((page & ~(zero >>> 1)) << 12) | 0 : lo;
}

/** NEEDS_NO_FLAG, and of the plain rights what the rights of the page are. */
export function dirty(flags: number): number {
  return (flags & ~3) | 8 | ((flags >>> 4) & ((flags & 0x40) !== 0 ? 3 : 0));
}
