#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

// Keeps stripped and compiled code in the system's folder for temporary files, which halves the start
// of every command (measured: from 1.06 s of processor time to 0.45 s).
enableCompileCache();
const { survivePipes } = await import('./output.ts');
const { run } = await import('./program.ts');
survivePipes();
process.exitCode = await run(process.argv);
