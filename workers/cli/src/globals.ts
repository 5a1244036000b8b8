import type { Command } from 'commander';

/** The options every command takes, before or after its name. */
export interface Globals {
  /** For machines: stable keys on standard output, one document or one line per record. */
  readonly json: boolean;
  /** A file with the settings that differ from config/fleet.yaml. */
  readonly configFile: string | undefined;
  /** Where `memfleet up` keeps its fleet. */
  readonly stateDir: string;
  /** Name of a NATS context. */
  readonly context: string | undefined;
}

export const DEFAULT_STATE_DIR = '.memfleet';

export function addGlobalOptions(command: Command): void {
  command
    .option('--json', 'print JSON for machines on standard output')
    .option('--config <file>', 'settings that differ from config/fleet.yaml (MEMFLEET_CONFIG)')
    .option(
      '--state <dir>',
      `folder of the fleet that \`memfleet up\` runs (MEMFLEET_STATE, default ${DEFAULT_STATE_DIR})`,
    )
    .option(
      '--context <name>',
      'take the NATS server from this context of the `nats` tool (MEMFLEET_CONTEXT)',
    );
}

/** Flags before environment before defaults. */
export function globalsOf(command: Command, env: NodeJS.ProcessEnv = process.env): Globals {
  const given = command.optsWithGlobals<{
    json?: boolean;
    config?: string;
    state?: string;
    context?: string;
  }>();
  return {
    json: given.json === true,
    configFile: given.config ?? named(env['MEMFLEET_CONFIG']),
    stateDir: given.state ?? named(env['MEMFLEET_STATE']) ?? DEFAULT_STATE_DIR,
    context: given.context ?? named(env['MEMFLEET_CONTEXT']),
  };
}

function named(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
