/** The table of refusals: every command is in it, and a whole run must provoke each of them. */
import { expect, it } from 'vitest';
import {
  type Command,
  IOASID_COMMANDS,
  IOASID_MAP_DMA,
  IOMMU_COMMANDS,
  REFUSALS,
  refusalsOf,
  VFIO_2_COMMANDS,
  VFIO_COMMANDS,
} from '../../src/uapi/index.ts';
import { refusal } from '../refusals.ts';

const COMMANDS: readonly Command[] = [...IOASID_COMMANDS, ...IOMMU_COMMANDS, ...VFIO_COMMANDS, ...VFIO_2_COMMANDS];

it('names every command of both versions, and no other', () => {
  expect(new Set(REFUSALS.keys())).toEqual(new Set(COMMANDS));
});

it('says of each errno when it comes, beginning with what is the same for all structures', () => {
  expect([...refusalsOf(IOASID_MAP_DMA).keys()].slice(0, 3)).toEqual(['EFAULT', 'EINVAL', 'E2BIG']);
  expect(refusalsOf(IOASID_MAP_DMA).get('EFAULT')).toEqual([
    'the structure cannot be read, or written back',
    'the process has no such memory, or may not write what devices are to write',
  ]);
});

it('declares what the tests of a whole run have to provoke, each under a name of its own', ({ task }) => {
  const declared = [...REFUSALS.keys()].flatMap((command) =>
    [...refusalsOf(command).keys()].map((errno) => refusal(command, errno)),
  );
  expect(new Set(declared).size).toBe(declared.length);
  task.meta.declaredRefusals = declared;
});
