/** What a function says and is told about translated addresses: ATS, PRI and PASID. */
import { bit, bits, layout } from '../../../bits/index.ts';
import { at, EXTENDED_CAPABILITY_FIELDS } from './structure.ts';

export const ATS_CAPABILITY = layout('ATS extended capability', 64, 'PCIe: ATS extended capability structure', {
  ...EXTENDED_CAPABILITY_FIELDS,
  ...at(0x04, {
    INVALIDATE_QUEUE_DEPTH: bits(4, 0, 'RO', 'invalidate requests that the function can hold; 0: 32'),
    PAGE_ALIGNED_REQUEST: bit(5, 'RO', 'untranslated addresses of requests are aligned to 4 KiB'),
    GLOBAL_INVALIDATE_SUPPORTED: bit(6, 'RO', 'understands Global Invalidate'),
    RELAXED_ORDERING_SUPPORTED: bit(7, 'RO', 'translation requests may have Relaxed Ordering'),
  }),
  ...at(0x06, {
    SMALLEST_TRANSLATION_UNIT: bits(4, 0, 'RW', 'every translation is of at least 4 KiB << n'),
    ENABLE: bit(15, 'RW', 'may cache translations'),
  }),
});

export const PRI_CAPABILITY = layout(
  'Page request extended capability',
  128,
  'PCIe: page request extended capability',
  {
    ...EXTENDED_CAPABILITY_FIELDS,
    ...at(0x04, {
      ENABLE: bit(0, 'RW', 'may send page requests'),
      RESET: bit(1, 'WO', 'forgets what is outstanding, while ENABLE is 0'),
    }),
    ...at(0x06, {
      RESPONSE_FAILURE: bit(0, 'RW1C', 'received a response of Response Failure'),
      UNEXPECTED_PRG_INDEX: bit(1, 'RW1C', 'received a response to a group that it did not send'),
      STOPPED: bit(8, 'RO', 'sends no requests and waits for no response; not defined while ENABLE is 1'),
      PRG_RESPONSE_PASID_REQUIRED: bit(15, 'RO', 'expects a PASID in the response to a request with one'),
    }),
    ...at(0x08, { OUTSTANDING_PAGE_REQUEST_CAPACITY: bits(31, 0, 'RO', 'page requests that it can have outstanding') }),
    ...at(0x0c, {
      OUTSTANDING_PAGE_REQUEST_ALLOCATION: bits(31, 0, 'RW', 'page requests that it may have outstanding'),
    }),
  },
);

export const PASID_CAPABILITY = layout('PASID extended capability', 64, 'PCIe: PASID extended capability structure', {
  ...EXTENDED_CAPABILITY_FIELDS,
  ...at(0x04, {
    EXECUTE_SUPPORTED: bit(1, 'RO', 'can ask for execute permission'),
    PRIVILEGED_SUPPORTED: bit(2, 'RO', 'can ask for privileged mode'),
    MAX_PASID_WIDTH: bits(12, 8, 'RO', 'bits of a PASID that it can send: 0 to 20'),
  }),
  ...at(0x06, {
    ENABLE: bit(0, 'RW', 'may send and receive PASIDs'),
    EXECUTE_ENABLE: bit(1, 'RW', 'may ask for execute permission'),
    PRIVILEGED_ENABLE: bit(2, 'RW', 'may ask for privileged mode'),
  }),
});
