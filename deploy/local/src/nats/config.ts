export interface NatsConfig {
  host: string;
  /** -1: the server chooses a free one. */
  port: number;
  storeDir: string;
  portsDir?: string | undefined;
  extra?: string | undefined;
}

/**
 * The server's configuration file. `extra` comes last: nats-server uses the last of two equal keys, so `extra` overrides
 * everything above it.
 */
export function natsConfig({ host, port, storeDir, portsDir, extra }: NatsConfig): string {
  return [
    'server_name: memfleet_local',
    `host: ${quote(host)}`,
    `port: ${port}`,
    ...(portsDir === undefined ? [] : [`ports_file_dir: ${quote(portsDir)}`]),
    // The server's own default, explicit because publishers size their events by it.
    'max_payload: 1MB',
    // An acknowledged event survives a crash of the server at once, and a crash of the machine after a
    // second; the default is two minutes. `always`, as in production, costs a local fleet three quarters
    // of its throughput.
    `jetstream { store_dir: ${quote(storeDir)}, sync_interval: "1s" }`,
    extra ?? '',
    '',
  ].join('\n');
}

// The configuration language has the same escapes as JSON.
const quote = (text: string): string => JSON.stringify(text);
