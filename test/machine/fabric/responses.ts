/** Page requests that the agent has heard, and their responses: one for each, to who asked. */
import { MessageCode, type Tlp } from '../../../hardware/pcie/index.ts';
import type { Site } from './layout.ts';
import { hearsMessages } from './routes.ts';

export class Responses {
  readonly #owed = new Map<Site, number>();

  /** Responses on their way. */
  get owed(): number {
    return [...this.#owed.values()].reduce((sum, owed) => sum + Math.max(owed, 0), 0);
  }

  /** A message of `asker` has come to the agent. Who is behind a bridge to PCI has its name there, and no message finds him. */
  told(asker: Site | null, { messageCode }: Tlp): void {
    if (messageCode === MessageCode.PAGE_REQUEST && asker !== null && hearsMessages(asker)) this.#count(asker, 1);
  }

  /** A message has come to a function. */
  came(site: Site, { messageCode }: Tlp): void {
    if (messageCode === MessageCode.PAGE_REQUEST_GROUP_RESPONSE) this.#count(site, -1);
  }

  finish(complain: (what: string) => void): void {
    for (const [{ name }, owed] of this.#owed) {
      if (owed !== 0) complain(`${owed} page requests of ${name} have no response`);
    }
  }

  #count(site: Site, change: number): void {
    this.#owed.set(site, (this.#owed.get(site) ?? 0) + change);
  }
}
