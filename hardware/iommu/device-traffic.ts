/**
 * The messages between a unit and devices, as the TLPs that carry them (PCIe ATS, 10.3 and 10.4): what the unit says is
 * put into a TLP, and what a device says is taken from one. Fields that are reserved are not looked at.
 */
import { invalidateRequest, pageGroupResponse, readInvalidateCompletion, readPageRequest } from '../ats/index.ts';
import { MessageCode, MessageRouting, type Tlp, TlpKind } from '../pcie/index.ts';
import type { DeviceMessage } from './device-messages.ts';
import type { IommuUnit } from './unit.ts';

/** Makes `tlp` the message of the agent with that requester id. */
export function carryMessage(tlp: Tlp, agent: number, message: DeviceMessage): Tlp {
  return message.kind === 'invalidate'
    ? invalidateRequest(tlp, agent, message)
    : pageGroupResponse(tlp, agent, message);
}

/** Gives a device's message to the unit of the agent with that requester id; false when it is not meant for it. */
export function takeMessage(tlp: Tlp, agent: number, unit: IommuUnit): boolean {
  if (tlp.kind !== TlpKind.MESSAGE) return false;
  const { messageCode: code, routing } = tlp;
  if (code === MessageCode.PAGE_REQUEST && routing === MessageRouting.ROOT_COMPLEX) {
    unit.requestPage(readPageRequest(tlp));
    return true;
  }
  const isMine = routing === MessageRouting.ID && tlp.completer === agent;
  if (code !== MessageCode.INVALIDATE_COMPLETION || !isMine) return false;
  unit.completeInvalidation(readInvalidateCompletion(tlp));
  return true;
}
