/** The comparison of both versions with Linux now: no command is forgotten. */
import { expect, it } from 'vitest';
import {
  COMPARISON,
  FINAL,
  IOASID_COMMANDS,
  IOMMU_COMMANDS,
  VFIO_2_COMMANDS,
  VFIO_COMMANDS,
} from '../../src/uapi/index.ts';

it('has every command of version 1 in the column of version 1, and every one of version 2 in that of version 2', () => {
  expect(new Set(COMPARISON.flatMap(({ v1 }) => v1))).toEqual(new Set([...IOASID_COMMANDS, ...VFIO_COMMANDS]));
  expect(new Set(COMPARISON.flatMap(({ v2 }) => v2))).toEqual(new Set([...IOMMU_COMMANDS, ...VFIO_2_COMMANDS]));
});

it('says what each row differs in', () => {
  for (const { task, differs } of COMPARISON) expect(differs, task).toMatch(/\.$/);
});

it("gives Linux's numbers: iommufd.h counts from 80h, vfio.h from VFIO_BASE", () => {
  expect(FINAL).toMatchObject({ IOMMU_DESTROY: 0x3b80, IOMMU_IOAS_MAP: 0x3b85, IOMMU_HWPT_INVALIDATE: 0x3b8d });
  expect(FINAL).toMatchObject({ VFIO_DEVICE_BIND_IOMMUFD: 0x3b76, VFIO_DEVICE_ATTACH_IOMMUFD_PT: 0x3b77 });
});
