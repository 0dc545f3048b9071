export { NIC, Nic, type NicSpec, type NicState, type QueueState } from './nic.ts';
export { Wire } from './wire.ts';
