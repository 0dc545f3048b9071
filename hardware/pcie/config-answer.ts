/** How a function answers a configuration request: a whole word for a read, success for a write. */
import type { ConfigSpace } from './config-space.ts';
import { CompletionStatus } from './spec/index.ts';
import type { Tlp } from './tlp.ts';

/** Carries `request` out on `config` and makes `answer` its completion. The completer is the function that was asked. */
export function answerConfig(config: ConfigSpace, request: Tlp, answer: Tlp): Tlp {
  const { completer } = request;
  if (request.data !== null) {
    config.write(request.addressLo, request.length, request.word);
    return answer.completion(request, completer, CompletionStatus.SUCCESSFUL);
  }
  answer.completionData(request, completer, 0, 4);
  const word = config.read(request.addressLo & ~3, 4);
  for (let i = 0; i < 4; i++) answer.data![i] = word >>> (i * 8);
  return answer;
}
