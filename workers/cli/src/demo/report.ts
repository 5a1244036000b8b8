import type { Answered } from './ask.ts';

/** The last line of `demo --json`. */
export interface DemoReport {
  /** Events published by the conversations, without those that the stages derived. */
  readonly events: number;
  readonly memories: number;
  readonly facts: number;
  readonly entities: number;
  readonly embeddings: number;
  readonly modelCalls: number;
  readonly seconds: number;
  readonly recalls: readonly Answered[];
}

/** The same for people. */
export function describeReport(report: DemoReport, logEvents: number): string {
  return [
    '',
    ...report.recalls.flatMap(({ tenant, question, answers }) => [
      `  ${tenant}: ${question}`,
      ...answers.map(({ content }, index) => `    ${index + 1}. ${content}`),
      '',
    ]),
    `  ${count(report.events)}  events published, ${logEvents.toLocaleString('en')} in the log including derived events`,
    `  ${count(report.memories)}  memories that can be recalled`,
    `  ${count(report.facts)}  facts`,
    `  ${count(report.entities)}  entities`,
    `  ${count(report.embeddings)}  embeddings`,
    `  ${count(report.modelCalls)}  model calls, one per event that needed one; equal content is paid for once`,
    `  ${report.seconds.toFixed(1).padStart(8)}  seconds`,
  ].join('\n');
}

/** What to do next while the fleet runs. */
export function describeWhatNext(stateDir: string, { recalls }: DemoReport): string {
  const [first] = recalls;
  return [
    '',
    'The fleet stays up. There is no console yet; from another terminal:',
    `  memfleet status --state ${stateDir}`,
    `  memfleet recall --state ${stateDir} ${first?.tenant ?? '<tenant>'} ${JSON.stringify(first?.question ?? '<query>')}`,
    '',
    'Ctrl-C ends it.',
  ].join('\n');
}

function count(value: number): string {
  return value.toLocaleString('en').padStart(8);
}
