export interface NatsConfig {
  host: string;
  /** -1: the server chooses a free one. */
  port: number;
  storeDir: string;
  portsDir?: string | undefined;
  extra?: string | undefined;
}

/**
 * The server's configuration file. `extra` stands last: nats-server takes the last of two equal keys, so it may replace
 * what stands above it.
 */
export function natsConfig({ host, port, storeDir, portsDir, extra }: NatsConfig): string {
  return [
    'server_name: memfleet_local',
    `host: ${quote(host)}`,
    `port: ${port}`,
    ...(portsDir === undefined ? [] : [`ports_file_dir: ${quote(portsDir)}`]),
    // The server's own default, written down because publishers size their events by it.
    'max_payload: 1MB',
    // An acknowledged event is safe from the end of the server at once, and from that of the machine
    // after a second; the default is two minutes. `always`, as in production, costs a local fleet
    // three quarters of its throughput.
    `jetstream { store_dir: ${quote(storeDir)}, sync_interval: "1s" }`,
    extra ?? '',
    '',
  ].join('\n');
}

// JSON's escapes are those of the configuration language.
const quote = (text: string): string => JSON.stringify(text);
