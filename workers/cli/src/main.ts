#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

// Types stripped and code compiled once are kept in the system's folder for temporary files: it
// halves the start of every command (measured: 1.06 s of processor time down to 0.45 s).
enableCompileCache();
const { survivePipes } = await import('./output.ts');
const { run } = await import('./program.ts');
survivePipes();
process.exitCode = await run(process.argv);
