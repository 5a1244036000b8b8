import { isDeepStrictEqual } from 'node:util';
import {
  type ConsumerConfig,
  type JetStreamManager,
  JetStreamApiError,
  type StreamConfig,
} from '@nats-io/jetstream';
import type { FleetConfig } from '../config/schema.ts';
import { RuntimeError } from '../errors.ts';
import { consumerInfo } from './manager.ts';
import { logStream, type Topology, type WantedConsumer, type WantedStream } from './topology.ts';

/** One difference between the wanted and the actual state. */
export interface Change {
  readonly kind: 'stream' | 'consumer' | 'database' | 'projection';
  readonly name: string;
  readonly action: 'create' | 'update' | 'refuse';
  /** "field: before → after" lines; empty when it is created. */
  readonly differences: readonly string[];
}

/** The two ways in which the server names what a durable reads. */
const FILTERS = ['filter_subject', 'filter_subjects'] as const;

const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;

/** Fields that cannot be changed once events are stored or read under them. */
const FIXED_FIELDS: Readonly<Record<'stream' | 'consumer', ReadonlySet<string>>> = {
  stream: new Set(['storage', 'retention', 'subject_transform']),
  consumer: new Set(['ack_policy', 'deliver_policy', 'replay_policy']),
};

/** Compares the deployment with the topology; changes nothing. */
export async function compareTopology(
  jsm: JetStreamManager,
  topology: Topology,
): Promise<Change[]> {
  const changes: Change[] = [];
  for (const wanted of topology.streams) {
    const change = compare(wanted, await streamConfig(jsm, wanted.name));
    if (change !== undefined) changes.push(change);
  }
  for (const wanted of topology.consumers) {
    const change = compare(wanted, await consumerConfig(jsm, wanted));
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

/**
 * Creates and updates what differs. It never deletes anything, and refuses a change that would require
 * it.
 * @returns the changes that were made
 * @throws RuntimeError DRIFT when a difference cannot be fixed in place
 */
export async function provisionTopology(
  jsm: JetStreamManager,
  topology: Topology,
): Promise<Change[]> {
  const changes = await refuseDrift(jsm, topology);
  for (const change of changes) {
    const stream = topology.streams.find(
      ({ name, kind }) => kind === change.kind && name === change.name,
    );
    const consumer = topology.consumers.find(
      ({ name, kind }) => kind === change.kind && name === change.name,
    );
    if (stream !== undefined) await applyStream(jsm, stream, change);
    if (consumer !== undefined) await applyConsumer(jsm, consumer, change);
  }
  return changes;
}

/**
 * The changes that would be made; changes nothing.
 * @throws RuntimeError DRIFT when one of them cannot be made in place
 */
export async function refuseDrift(jsm: JetStreamManager, topology: Topology): Promise<Change[]> {
  const changes = await compareTopology(jsm, topology);
  const refused = changes.filter((change) => change.action === 'refuse');
  if (refused.length > 0) {
    const list = refused.map(
      (change) => `${change.kind} ${change.name}: ${change.differences.join(', ')}`,
    );
    throw new RuntimeError(
      'DRIFT',
      `these cannot be changed once events are stored: ${list.join('; ')}`,
    );
  }
  return changes;
}

/** One line per change, as `provision` prints it and as a worker fails with it. */
export function describeChange(change: Change): string {
  const details = change.differences.length === 0 ? '' : ` (${change.differences.join(', ')})`;
  return `${change.action} ${change.kind} ${change.name}${details}`;
}

/**
 * For a worker at start-up: checks that its stream and durables are as configured.
 * @throws RuntimeError STREAM_MISSING | CONSUMER_MISSING | DRIFT
 */
export async function checkConsumers(
  jsm: JetStreamManager,
  stream: string,
  consumers: readonly WantedConsumer[],
): Promise<void> {
  if ((await streamConfig(jsm, stream)) === undefined) {
    throw new RuntimeError('STREAM_MISSING', `stream ${stream} does not exist`);
  }
  for (const wanted of consumers) {
    const change = compare(wanted, await consumerConfig(jsm, wanted));
    if (change === undefined) continue;
    if (change.action === 'create') {
      throw new RuntimeError(
        'CONSUMER_MISSING',
        `consumer ${wanted.name} does not exist on stream ${stream}`,
      );
    }
    throw new RuntimeError(
      'DRIFT',
      `consumer ${wanted.name} differs: ${change.differences.join(', ')}`,
    );
  }
}

/**
 * Checks that a durable delivers the right events, regardless of other differences: with another filter its
 * reader would pass events that it never received.
 * @throws RuntimeError CONSUMER_MISSING | DRIFT
 */
export async function checkFilter(jsm: JetStreamManager, wanted: WantedConsumer): Promise<void> {
  const { config } = await consumerInfo(jsm, wanted.stream, wanted.name);
  const differences = FILTERS.filter((field) => !isSame(wanted.config[field], config[field])).map(
    (field) => `${field}: ${show(config[field])} → ${show(wanted.config[field])}`,
  );
  if (differences.length === 0) return;
  throw new RuntimeError('DRIFT', `consumer ${wanted.name} differs: ${differences.join(', ')}`);
}

/**
 * Checks that the log was created as configured. The number of partitions cannot be changed later, and
 * lanes made for another number would leave partitions unread.
 * @throws RuntimeError STREAM_MISSING | LOG_DIFFERS
 */
export async function checkLog(jsm: JetStreamManager, config: FleetConfig): Promise<void> {
  const wanted = logStream(config);
  const change = compare(wanted, await streamConfig(jsm, wanted.name));
  if (change?.action === 'create') {
    throw new RuntimeError('STREAM_MISSING', `stream ${wanted.name} does not exist`);
  }
  if (change?.action !== 'refuse') return;
  throw new RuntimeError(
    'LOG_DIFFERS',
    `stream ${wanted.name} was not created as configured: ${change.differences.join(', ')}`,
  );
}

async function applyStream(
  jsm: JetStreamManager,
  wanted: WantedStream,
  change: Change,
): Promise<void> {
  if (change.action === 'create') await jsm.streams.add(wanted.config);
  else await jsm.streams.update(wanted.name, wanted.config);
}

async function applyConsumer(
  jsm: JetStreamManager,
  wanted: WantedConsumer,
  change: Change,
): Promise<void> {
  if (change.action === 'create') {
    await jsm.consumers.add(wanted.stream, wanted.config);
    return;
  }
  const { config } = await jsm.consumers.update(
    wanted.stream,
    wanted.name,
    namingFilters(wanted.config),
  );
  const left = compare(wanted, { ...config });
  if (left === undefined) return;
  throw new RuntimeError(
    'DRIFT',
    `consumer ${wanted.name} was updated and still differs: ${left.differences.join(', ')}`,
  );
}

/**
 * With its filters, those included that it should not have: an update takes over from the durable what
 * it does not name.
 */
function namingFilters(config: WantedConsumer['config']): WantedConsumer['config'] {
  return { ...config, ...Object.fromEntries(FILTERS.map((field) => [field, config[field]])) };
}

function compare(
  wanted: WantedStream | WantedConsumer,
  found: Readonly<Record<string, unknown>> | undefined,
): Change | undefined {
  const { kind, name } = wanted;
  if (found === undefined) return { kind, name, action: 'create', differences: [] };
  const config = wanted.kind === 'consumer' ? namingFilters(wanted.config) : wanted.config;
  const fields = Object.entries(config).filter(([field, value]) => !isSame(value, found[field]));
  if (fields.length === 0) return undefined;
  const differences = fields.map(
    ([field, value]) => `${field}: ${show(found[field])} → ${show(value)}${lossOf(field, found)}`,
  );
  const isFixed = fields.some(([field]) => FIXED_FIELDS[kind].has(field));
  return { kind, name, action: isFixed ? 'refuse' : 'update', differences };
}

/** Nothing reads the server's advisories, so events that a durable gives up are lost. */
function lossOf(field: string, found: Readonly<Record<string, unknown>>): string {
  const deliveries = found[field];
  if (field !== 'max_deliver' || typeof deliveries !== 'number' || deliveries < 0) return '';
  return `: events that the server gives up after ${deliveries} deliveries would be lost`;
}

/** The server omits values that are zero or off, and names durables twice. */
function isSame(wanted: unknown, found: unknown): boolean {
  if (found === undefined) {
    return wanted === 0 || wanted === false || wanted === -1 || wanted === undefined;
  }
  return isDeepStrictEqual(found, wanted);
}

function show(value: unknown): string {
  return value === undefined ? 'unset' : JSON.stringify(value);
}

async function streamConfig(
  jsm: JetStreamManager,
  name: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const { config }: { config: StreamConfig } = await jsm.streams.info(name);
    return { ...config };
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

async function consumerConfig(
  jsm: JetStreamManager,
  wanted: WantedConsumer,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const { config }: { config: ConsumerConfig } = await jsm.consumers.info(
      wanted.stream,
      wanted.name,
    );
    return { ...config };
  } catch (error) {
    const missing = [STREAM_NOT_FOUND, CONSUMER_NOT_FOUND];
    if (error instanceof JetStreamApiError && missing.includes(error.code)) return undefined;
    throw error;
  }
}
