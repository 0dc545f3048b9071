/** How a function answers a configuration request: a whole word for a read, success for a write. */
import type { ConfigSpace } from './config-space.ts';
import { CompletionStatus } from './spec/index.ts';
import type { Tlp } from './tlp.ts';

/** Who is asked. */
export interface Configured {
  readonly requester: number;
  readonly config: ConfigSpace;
}

/** Carries `request` out and makes `answer` its completion. */
export function answerConfig({ requester: completer, config }: Configured, request: Tlp, answer: Tlp): Tlp {
  if (request.data !== null) {
    config.write(request.addressLo, request.length, request.word);
    return answer.completion(request, completer, CompletionStatus.SUCCESSFUL, config.ordersCompletionsById);
  }
  answer.completionData(request, completer, 0, 4, config.ordersCompletionsById);
  const word = config.read(request.addressLo & ~3, 4);
  for (let i = 0; i < 4; i++) answer.data![i] = word >>> (i * 8);
  return answer;
}
