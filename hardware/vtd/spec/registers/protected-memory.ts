/**
 * Protected memory regions: VT-d 11.4.8.
 *
 * The lowest N + 1 bits of each base and limit are not implemented; software finds N by writing ones. They count as 0
 * in a base and as 1 in a limit.
 */
import { bit, bits, register } from '../../../bits/index.ts';

export const PMEN = register('PMEN_REG', 0x064, 32, 'VT-d 11.4.8.1', {
  PRS: bit(0, 'RO', 'Protection is on'),
  EPM: bit(31, 'RW', 'Turn protection on or off'),
});

export const PLMBASE = register('PLMBASE_REG', 0x068, 32, 'VT-d 11.4.8.2', {
  PLMB: bits(31, 0, 'RW', 'First byte of the low region'),
});

export const PLMLIMIT = register('PLMLIMIT_REG', 0x06c, 32, 'VT-d 11.4.8.3', {
  PLML: bits(31, 0, 'RW', 'Last byte of the low region; below the base, there is no region'),
});

export const PHMBASE = register('PHMBASE_REG', 0x070, 64, 'VT-d 11.4.8.4', {
  PHMB: bits(63, 0, 'RW', 'First byte of the high region'),
});

export const PHMLIMIT = register('PHMLIMIT_REG', 0x078, 64, 'VT-d 11.4.8.5', {
  PHML: bits(63, 0, 'RW', 'Last byte of the high region; below the base, there is no region'),
});
