import { UsageError } from '../failure.ts';
import type { Verdict } from './fleet-verdict.ts';

/** A probe that hangs is as bad as one that fails. */
const TIMEOUT_MS = 5_000;

/** The fields of a worker's `/healthz` answer that are used here. */
interface Answer {
  readonly worker?: unknown;
  readonly state?: unknown;
  readonly cause?: unknown;
  readonly backlog?: unknown;
}

/** Asks one process; a missing answer is a problem, not an error. */
export async function processVerdict(url: string): Promise<Verdict> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError(`${url} is not an http URL`);
  }
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
  } catch (error) {
    return failed(url, `${url} does not answer: ${reasonOf(error)}`);
  }
  const answer = await readAnswer(response);
  const worker = typeof answer.worker === 'string' ? answer.worker : url;
  const state = typeof answer.state === 'string' ? ` is ${answer.state}` : '';
  const about = `${worker}${state}`;
  if (response.ok) return { healthy: true, about, problems: [] };
  const cause = typeof answer.cause === 'string' ? answer.cause : `status ${response.status}`;
  return failed(about, `${about}: ${cause}`);
}

async function readAnswer(response: Response): Promise<Answer> {
  try {
    const answer: unknown = await response.json();
    return typeof answer === 'object' && answer !== null ? answer : {};
  } catch {
    // Some other program answers; its status is the only clue.
    return {};
  }
}

function failed(about: string, problem: string): Verdict {
  return { healthy: false, about, problems: [problem] };
}

/** `fetch` says only "fetch failed" and puts the reason below. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
