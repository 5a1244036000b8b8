import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

export function healthCommand(): Command {
  return new Command('health')
    .description('exit 0 when a process, or the whole fleet, makes progress')
    .option('--url <url>', 'health endpoint of one process')
    .addHelpText(
      'after',
      `
With --url, or in a container with MEMFLEET_HEALTH_PORT set, it checks that one process; otherwise the
whole fleet: every worker runs, and none is halted or stalled. Healthy means making progress, not being
alive: a worker is stalled when events wait and it finishes none.

Examples:
  $ memfleet health
  $ memfleet health --url http://127.0.0.1:8080/healthz`,
    )
    .action(async (options: { url?: string }, command: Command) => {
      const { health } = await import('../health/health.ts');
      await health(globalsOf(command), options.url);
    });
}
