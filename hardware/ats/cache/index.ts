/** Set-associative caches of translations, for devices and for translation agents. */
export * from './iotlb.ts';
export { type IotlbArray, type IotlbSpec, OWN_SIZES, type OwnSize } from './iotlb-arrays.ts';
export { DOMAIN, FLAGS, FRAME_HI, FRAME_LO, type IotlbEntry, PASID, SHIFT } from './iotlb-words.ts';
export { REPLACEMENT_POLICIES, type ReplacementPolicy, type SetsSpec } from './replacement.ts';
