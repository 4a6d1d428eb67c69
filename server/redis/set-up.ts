/** Whether a Redis is set up so that a log can be kept in it. */

/** What is wrong with the set-up of a Redis. `danger`: data will be lost, or nothing works; `note`: it may be meant so. */
export interface SetUpFinding {
  readonly level: 'danger' | 'note';
  /** For people: what is so, and what comes of it. */
  readonly text: string;
}

/** `GETDEL`, and `XTRIM` by id. */
const OLDEST_VERSION = [6, 2] as const;

/** Judges a server by its answer to `INFO`, which the hub's user may ask for; `CONFIG` it may not. */
export function judgeSetUp(info: string): SetUpFinding[] {
  const fields = new Map([...info.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name!, value!]));
  const findings: SetUpFinding[] = [];
  const version = fields.get('redis_version') ?? '';
  const policy = fields.get('maxmemory_policy');
  if (isOlderThan(version, OLDEST_VERSION)) {
    findings.push({
      level: 'danger',
      text: `Redis ${version} is too old: ${OLDEST_VERSION.join('.')} is needed`,
    });
  }
  if (policy !== undefined && policy !== 'noeviction') {
    findings.push({
      level: 'danger',
      text: `maxmemory-policy is ${policy}: when memory is short, Redis deletes messages, last values and sessions; set it to noeviction`,
    });
  }
  if (fields.get('maxmemory') === '0') {
    findings.push({
      level: 'note',
      text: 'maxmemory is not set: Redis grows until the machine is out of memory and ends it',
    });
  }
  if (fields.get('aof_enabled') === '0') {
    findings.push({
      level: 'note',
      text: 'appendonly is off: a restart of Redis loses what came after its last snapshot, or everything without snapshots',
    });
  }
  return findings;
}

/** Judges the servers of a hub, each thing once. @throws Error if one does not tell, or does not answer */
export async function setUpOf(link: { infos(): Promise<string[]> }): Promise<SetUpFinding[]> {
  const findings = (await link.infos()).flatMap(judgeSetUp);
  return [...new Map(findings.map((finding) => [finding.text, finding])).values()];
}

function isOlderThan(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, ours, next] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (ours === undefined) return false;
  return Number(ours) < major || (Number(ours) === major && Number(next) < minor);
}
