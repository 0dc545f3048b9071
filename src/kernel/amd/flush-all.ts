/** How a unit is made to forget everything (fact sheet 7): by one command, or by one for everything that it may know. */
import { EVERYTHING } from '../iommu/routed-translation.ts';
import type { Command } from './commands.ts';
import type { Features } from './features.ts';

export function everything({ invalidateAll }: Features, deviceIds: number, domainIds: number): Command[] {
  if (invalidateAll) return [{ kind: 'everything' }];
  const commands: Command[] = [];
  for (let deviceId = 0; deviceId < deviceIds; deviceId++) {
    commands.push({ kind: 'device entry', deviceId }, { kind: 'interrupt table', deviceId });
  }
  for (let did = 0; did < domainIds; did++) {
    commands.push({ kind: 'pages', did, pasid: -1, block: EVERYTHING, directories: true });
  }
  return commands;
}
