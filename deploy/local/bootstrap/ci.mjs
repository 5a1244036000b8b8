// What CI runs, step by step; a laptop runs the same.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from './problem.mjs';
import { run } from './run.mjs';

// Names of scripts in package.json, so that npm run can repeat each step alone. Quick ones first.
const steps = [
  'typecheck',
  'lint',
  'format:check',
  'boundaries',
  'unused',
  'build',
  'test',
  'test:chaos',
];

/** Runs all steps, stops at the first that fails, resolves to the exit code. */
export async function ci(root, env) {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const started = performance.now();
  for (const [index, step] of steps.entries()) {
    if (scripts[step] === undefined) throw new Problem(`package.json has no script "${step}"`);
    console.log(`\n[${index + 1}/${steps.length}] ${step}: ${scripts[step]}`);
    const stepStarted = performance.now();
    const { code } = await run('/bin/sh', ['-c', scripts[step]], { cwd: root, env });
    if (code !== 0) {
      console.error(
        `\nci: ${step} FAILED with exit code ${code} after ${seconds(stepStarted)}; repeat it with: npm run ${step}`,
      );
      return code;
    }
    console.log(`[${index + 1}/${steps.length}] ${step}: ok, ${seconds(stepStarted)}`);
  }
  console.log(`\nci: all ${steps.length} steps ok, ${seconds(started)}`);
  return 0;
}

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
