import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '@memfleet/fleet';
import { DEFAULT_CONFIG } from '@memfleet/runtime';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '../../..');
const conditions = z.record(z.string(), z.object({ condition: z.string() }));

/** The part of the Compose specification that the file uses: a misspelt key does not pass. */
const service = z.strictObject({
  image: z.string(),
  build: z.strictObject({ context: z.string(), dockerfile: z.string() }).optional(),
  command: z.array(z.string()),
  environment: z.record(z.string(), z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  healthcheck: z
    .strictObject({
      test: z.array(z.string()).optional(),
      interval: z.string().optional(),
      timeout: z.string().optional(),
      retries: z.int().optional(),
      start_period: z.string().optional(),
      disable: z.boolean().optional(),
    })
    .optional(),
  depends_on: conditions.optional(),
  deploy: z.strictObject({ replicas: z.string() }).optional(),
  restart: z.string().optional(),
  stop_signal: z.string().optional(),
  stop_grace_period: z.string().optional(),
  init: z.boolean().optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  shm_size: z.string().optional(),
  profiles: z.array(z.string()).optional(),
});
const file = z.looseObject({
  name: z.string(),
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()),
});

const { services, volumes } = file.parse(
  parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }),
);
const ours = Object.entries(services).filter(([, { build }]) => build !== undefined);
const workers = ours.filter(([, { command }]) => command[0] === 'worker');

describe('docker-compose.yml', () => {
  it('runs every worker, under its name', () => {
    expect(workers.map(([name]) => name)).toEqual(['extraction', 'embedding', 'projection']);
    for (const [name, { command, deploy }] of workers) {
      expect(command).toEqual(['worker', name]);
      expect(existsSync(join(ROOT, 'workers', name, 'src/main.ts'))).toBe(true);
      expect(deploy?.replicas).toBe(`\${${name.toUpperCase()}_REPLICAS:-1}`);
    }
  });

  it('names commands that exist', () => {
    for (const [, { command }] of ours) {
      expect(existsSync(join(ROOT, 'workers/cli/src/commands', `${String(command[0])}.ts`))).toBe(
        true,
      );
    }
  });

  it('pins every image to a version', () => {
    for (const { image } of Object.values(services)) expect(image).toMatch(/:[^:]*\d+\.\d+/);
  });

  it('starts the workers when the servers answer and everything is provisioned', () => {
    for (const [, { depends_on: needs }] of workers) {
      expect(needs).toEqual({
        nats: { condition: 'service_healthy' },
        postgres: { condition: 'service_healthy' },
        provision: { condition: 'service_completed_successfully' },
      });
    }
    const probes = ['nats', 'postgres'].map((name) => services[name]?.healthcheck?.test);
    expect(probes).not.toContain(undefined);
  });

  it('gives the workers more time to end than they need', () => {
    const config = loadConfig({ defaults: DEFAULT_CONFIG, env: {} });
    for (const [, { stop_grace_period: grace = '', restart }] of workers) {
      expect(Number.parseInt(grace, 10) * 1_000).toBeGreaterThan(config.workers.shutdownGrace);
      expect(Number.parseInt(grace, 10)).toBeGreaterThanOrEqual(30);
      expect(restart).toBe('unless-stopped');
    }
  });

  it('sets only settings that the configuration knows', () => {
    for (const [, { environment = {} }] of ours) {
      const env = Object.fromEntries(
        Object.entries(environment).map(([name, value]) => [name, withDefaults(value)]),
      );
      expect(env['NATS_URL']).toBe('nats://nats:4222');
      expect(new URL(env['DATABASE_URL'] ?? '').hostname).toBe('postgres');
      expect(() => loadConfig({ defaults: DEFAULT_CONFIG, env })).not.toThrow();
    }
  });

  it('keeps the data in volumes, and needs nothing to be writable in our containers', () => {
    const mounted = Object.values(services).flatMap((one) => one.volumes ?? []);
    for (const name of Object.keys(volumes)) {
      expect(mounted.some((mount) => mount.startsWith(`${name}:`))).toBe(true);
    }
    for (const mount of mounted.filter((one) => one.startsWith('./'))) {
      expect(existsSync(join(ROOT, mount.split(':')[0] ?? ''))).toBe(true);
    }
    for (const [, { read_only: readOnly, tmpfs }] of ours) {
      expect({ readOnly, tmpfs }).toEqual({ readOnly: true, tmpfs: ['/tmp'] });
    }
  });
});

/** `${NAME:-default}` as Compose reads it when nothing is set; a required one gets a value. */
function withDefaults(text: string): string {
  return text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1').replaceAll(/\$\{\w+:\?[^}]*\}/g, 'secret');
}
