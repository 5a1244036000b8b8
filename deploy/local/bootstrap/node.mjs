import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from './problem.mjs';

const floor = 24;

/** The path of a Node that runs this project: the current one if new enough, else the one from the dependencies. */
export function chooseNode(root) {
  if (Number.parseInt(process.versions.node, 10) >= floor) return process.execPath;
  const installed = join(root, 'node_modules', '.bin', 'node');
  if (existsSync(installed)) return installed;
  throw new Problem(
    `needs Node ${floor} or newer, this is ${process.versions.node}, and there is no Node package for ` +
      `${process.platform}-${process.arch}: install it from https://nodejs.org`,
  );
}
