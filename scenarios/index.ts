/** The scenarios in the order in which they are meant to be read. */
import firstDma from './01-first-dma.ts';
import staleIotlb from './02-stale-iotlb.ts';
import twoDevicesOneIoasid from './03-two-devices-one-ioasid.ts';
import deviceTlb from './04-device-tlb.ts';
import pageRequests from './05-page-requests.ts';
import ownWayOfFaulting from './06-own-way-of-faulting.ts';
import pageRequestOverflow from './07-page-request-overflow.ts';
import nvmeReadsAFile from './10-nvme-reads-a-file.ts';
import sharedWorkQueue from './12-shared-work-queue.ts';
import nicAtLineRate from './13-nic-at-line-rate.ts';
import peerToPeer from './20-peer-to-peer.ts';
import virtualFunctions from './21-virtual-functions.ts';
import forgedRequester from './30-forged-requester.ts';
import forgedTranslation from './31-forged-translation.ts';
import translationBlocking from './32-translation-blocking.ts';
import hostPermissions from './33-host-permissions.ts';
import forgedInterrupts from './34-forged-interrupts.ts';
import deferredInvalidation from './35-deferred-invalidation.ts';
import subPageExposure from './36-sub-page-exposure.ts';
import writeFlood from './37-write-flood.ts';
import deferredDma from './38-deferred-dma.ts';
import beforeTheKernel from './39-before-the-kernel.ts';
import sharedIotlb from './40-shared-iotlb.ts';
import strictAndLazy from './41-strict-and-lazy.ts';
import deviceMmu from './42-device-mmu.ts';
import softwareTable from './43-software-table.ts';
import deviceFaults from './44-device-faults.ts';
import freedTable from './45-freed-table.ts';
import pasidIsNoAddress from './46-pasid-is-no-address.ts';
import pulledOut from './47-pulled-out.ts';
import simple1 from './flow-4.1-simple.v1.ts';
import simple2 from './flow-4.1-simple.v2.ts';
import several1 from './flow-4.2-several.v1.ts';
import several2 from './flow-4.2-several.v2.ts';
import softwareNesting1 from './flow-4.3-software-nesting.v1.ts';
import softwareNesting2 from './flow-4.3-software-nesting.v2.ts';
import hardwareNesting1 from './flow-4.4-hardware-nesting.v1.ts';
import hardwareNesting2 from './flow-4.4-hardware-nesting.v2.ts';
import pasidTable1 from './flow-4.5-pasid-table.v1.ts';
import pasidTable2 from './flow-4.5-pasid-table.v2.ts';
import pageFault1 from './flow-4.6-page-fault.v1.ts';
import pageFault2 from './flow-4.6-page-fault.v2.ts';
import group1 from './flow-4.7-group.v1.ts';
import group2 from './flow-4.7-group.v2.ts';
import mixed1 from './flow-4.7-mixed-iommus.v1.ts';
import mixed2 from './flow-4.7-mixed-iommus.v2.ts';
import teardown1 from './flow-4.7-teardown.v1.ts';
import teardown2 from './flow-4.7-teardown.v2.ts';
import userExample2 from './flow-4.7-user-example.v2.ts';

export const scenarios = [
  firstDma,
  staleIotlb,
  twoDevicesOneIoasid,
  deviceTlb,
  pageRequests,
  ownWayOfFaulting,
  pageRequestOverflow,
  nvmeReadsAFile,
  sharedWorkQueue,
  nicAtLineRate,
  peerToPeer,
  virtualFunctions,
  forgedRequester,
  forgedTranslation,
  translationBlocking,
  hostPermissions,
  forgedInterrupts,
  deferredInvalidation,
  subPageExposure,
  writeFlood,
  deferredDma,
  beforeTheKernel,
  sharedIotlb,
  strictAndLazy,
  deviceMmu,
  softwareTable,
  deviceFaults,
  freedTable,
  pasidIsNoAddress,
  pulledOut,
  simple1,
  simple2,
  several1,
  several2,
  softwareNesting1,
  softwareNesting2,
  hardwareNesting1,
  hardwareNesting2,
  pasidTable1,
  pasidTable2,
  pageFault1,
  pageFault2,
  group1,
  group2,
  mixed1,
  mixed2,
  teardown1,
  teardown2,
  userExample2,
];
