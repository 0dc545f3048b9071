/** The page request queue: VT-d 11.4.11. */
import { bit, bits, register } from '../../../bits/index.ts';

export const PQH = register('PQH_REG', 0x0c0, 64, 'VT-d 11.4.11.1', {
  PQH: bits(18, 5, 'RW', 'Byte offset of the next descriptor for software, in units of 32 bytes'),
});

export const PQT = register('PQT_REG', 0x0c8, 64, 'VT-d 11.4.11.2', {
  PQT: bits(18, 5, 'RW', 'Byte offset of the next descriptor that hardware writes, in units of 32 bytes'),
});

export const PQA = register('PQA_REG', 0x0d0, 64, 'VT-d 11.4.11.3', {
  PQS: bits(2, 0, 'RW', 'The queue has 2 ** PQS pages'),
  PQA: bits(63, 12, 'RW', 'Base of the queue'),
});

export const PRS = register('PRS_REG', 0x0dc, 32, 'VT-d 11.4.11.4', {
  PPR: bit(0, 'RW1CS', 'Page requests are in the queue'),
  PRO: bit(1, 'RW1CS', 'The queue was full; page requests are dropped until this is cleared'),
});

export const PECTL = register('PECTL_REG', 0x0e0, 32, 'VT-d 11.4.11.5', {
  IP: bit(30, 'RO', 'An event is held back'),
  IM: bit(31, 'RW', 'Hold events back'),
});

export const PEDATA = register('PEDATA_REG', 0x0e4, 32, 'VT-d 11.4.11.6', {
  IMD: bits(15, 0, 'RW', 'Message data'),
});

export const PEADDR = register('PEADDR_REG', 0x0e8, 32, 'VT-d 11.4.11.7', {
  MA: bits(31, 2, 'RW', 'Message address'),
});

export const PEUADDR = register('PEUADDR_REG', 0x0ec, 32, 'VT-d 11.4.11.8', {
  MUA: bits(31, 0, 'RW', 'Upper half of the message address'),
});
