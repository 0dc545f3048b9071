export { Disk, type DiskSpec, type StoredFile } from './disk.ts';
export { MOST_QUEUES, NVME, Nvme, type NvmeSpec, type NvmeState } from './nvme.ts';
