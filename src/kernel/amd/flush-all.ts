/**
 * How a unit is made to forget everything that could still be used (fact sheet 7): by one command, or by one for each device
 * and each domain id in use. Of other domain ids nothing can be used until a device is attached, which forgets them first.
 */
import { EVERYTHING } from '../iommu/routed-translation.ts';
import type { Command } from './commands.ts';
import type { Features } from './features.ts';

export function everything({ invalidateAll }: Features, deviceIds: number, dids: readonly number[]): Command[] {
  if (invalidateAll) return [{ kind: 'everything' }];
  const commands: Command[] = [];
  for (let deviceId = 0; deviceId < deviceIds; deviceId++) {
    commands.push({ kind: 'device entry', deviceId }, { kind: 'interrupt table', deviceId });
  }
  for (const did of dids) commands.push({ kind: 'pages', did, pasid: -1, block: EVERYTHING, directories: true });
  return commands;
}
