/** A Prometheus of a spec's own, with the product's configuration and rules, at a quick pace. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { answers } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { readMonitoring, ruleFiles } from './files.js';

/** Where a job finds what it scrapes here: addresses by the name that each should have. */
export type Targets = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

export interface RuleState {
  readonly name: string;
  readonly type: 'alerting' | 'recording';
  readonly health: string;
  readonly lastError?: string;
  /** Of an alert. */
  readonly state?: 'inactive' | 'pending' | 'firing';
}

interface Config {
  global: Record<string, string>;
  rule_files: string[];
  scrape_configs: { job_name: string }[];
}

export class OwnPrometheus {
  readonly url: string;
  readonly #process: ManagedProcess;
  readonly #dir: string;

  private constructor(url: string, process: ManagedProcess, dir: string) {
    this.url = url;
    this.#process = process;
    this.#dir = dir;
  }

  /** @param targets of each job that there is here; the others are left out */
  static async start(command: string, targets: Targets): Promise<OwnPrometheus> {
    const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-prometheus-'));
    mkdirSync(join(dir, 'rules'));
    for (const [name, { groups }] of ruleFiles()) {
      // At the pace of all others.
      const quick = groups.map(({ interval: _, ...group }) => group);
      writeFileSync(join(dir, 'rules', name), stringify({ groups: quick }));
    }
    writeFileSync(join(dir, 'prometheus.yml'), stringify(quickConfig(targets)));
    const port = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const process = new ManagedProcess({
      name: 'prometheus',
      command,
      args: [
        `--config.file=${join(dir, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(dir, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      ready: () => answers(`${url}/-/ready`),
    });
    try {
      await process.start();
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
    return new OwnPrometheus(url, process, dir);
  }

  /** What an expression gives now. @throws Error where Prometheus does not take it. */
  async query(expr: string): Promise<readonly Series[]> {
    return (await this.#ask<{ result: Series[] }>(`query?query=${encodeURIComponent(expr)}`)).result;
  }

  /** Values of a label over all series of a metric. */
  labelValues(metric: string, label: string): Promise<string[]> {
    return this.#ask(`label/${label}/values?match[]=${encodeURIComponent(metric)}`);
  }

  async rules(): Promise<RuleState[]> {
    const { groups } = await this.#ask<{ groups: { rules: RuleState[] }[] }>('rules');
    return groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    await this.#process.stop('SIGKILL');
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #ask<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}`, { signal: AbortSignal.timeout(60_000) });
    const body = (await response.json()) as { status: string; error?: string; data: T };
    if (body.status !== 'success') throw new Error(`Prometheus: ${path}: ${body.error}`);
    return body.data;
  }
}

function quickConfig(targets: Targets): Config {
  const config = parse(readMonitoring('prometheus/prometheus.yml'), { merge: true }) as Config;
  for (const job of Object.keys(targets)) {
    if (!config.scrape_configs.some(({ job_name }) => job_name === job)) throw new Error(`no job "${job}"`);
  }
  return {
    ...config,
    global: { ...config.global, scrape_interval: '500ms', evaluation_interval: '500ms' },
    rule_files: ['rules/*.yml'],
    scrape_configs: Object.entries(targets).map(([job, addresses]) => ({
      job_name: job,
      static_configs: Object.entries(addresses).map(([instance, address]) => ({
        targets: [address],
        labels: { instance },
      })),
    })),
  };
}
