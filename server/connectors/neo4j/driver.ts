/** Connections to Neo4j. Results are converted to plain JSON values here. */
import neo4j, { type Driver, type EagerResult, type RecordShape } from 'neo4j-driver';

/** A row of a result, by the names of the columns: JSON values, with whole numbers beyond 2^53 as strings. */
export type GraphRow = Readonly<Record<string, unknown>>;

export type GraphParameters = Readonly<Record<string, unknown>>;

/** One database of Neo4j. */
export interface Graph {
  /**
   * Runs a query in its own transaction, on the leader of a cluster. Retries it for some seconds if Neo4j says that
   * this may help (a deadlock, a change of leader).
   *
   * @throws GraphError if Neo4j refuses, cannot be reached or does not answer within 30 s.
   */
  run(query: string, parameters?: GraphParameters): Promise<GraphRow[]>;
  close(): Promise<void>;
}

/** `code` is that of Neo4j, e.g. `Neo.ClientError.Procedure.ProcedureNotFound`. */
export class GraphError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GraphError';
    this.code = code;
  }
}

export interface Neo4jOptions {
  /** `neo4j://…`, `bolt://…`, with `+s` for TLS. */
  readonly url: string;
  readonly user: string;
  /** Empty: no authentication. */
  readonly password: string;
  /** Empty: the user's home database. */
  readonly database: string;
}

const CONNECT_TIMEOUT_MS = 5_000;
const RETRY_MS = 5_000;
/** A server that vanished without closing its connections never answers, and the driver would wait for ever. */
const DEADLINE_MS = 30_000;

/** A database. It connects with the first query. */
export function connectNeo4j({ url, user, password, database }: Neo4jOptions): Graph {
  const driver = neo4j.driver(url, password === '' ? undefined : neo4j.auth.basic(user, password), {
    useBigInt: true,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    connectionAcquisitionTimeout: CONNECT_TIMEOUT_MS,
    maxTransactionRetryTime: RETRY_MS,
    maxConnectionPoolSize: 4,
    userAgent: 'axiom-streaming',
  });
  return {
    run: (query, parameters = {}) => withinDeadline(execute(driver, database, query, parameters)),
    close: () => driver.close(),
  };
}

async function execute(
  driver: Driver,
  database: string,
  query: string,
  parameters: GraphParameters,
): Promise<GraphRow[]> {
  try {
    const given = withIntegers(parameters) as RecordShape;
    const { records } = await driver.executeQuery<EagerResult>(query, given, {
      ...(database === '' ? {} : { database }),
      routing: 'WRITE',
    });
    return records.map((record) => jsonOf(record.toObject()) as GraphRow);
  } catch (error) {
    if (!(error instanceof neo4j.Neo4jError)) throw error;
    throw new GraphError(error.code, error.message, { cause: error });
  }
}

async function withinDeadline<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new GraphError('Deadline', `Neo4j did not answer within ${DEADLINE_MS / 1000} s`)),
      DEADLINE_MS,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whole numbers as integers: the driver sends each number of JavaScript as a float. */
function withIntegers(value: unknown): unknown {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(withIntegers);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withIntegers(member)]));
  }
  return value;
}

/**
 * A value of the driver as JSON: times as ISO 8601, bytes as base64, points and vectors as their numbers. Numbers that
 * JSON does not have (`NaN`) or does not keep exactly (whole numbers beyond 2^53) become text.
 */
function jsonOf(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(jsonOf);
  if (value instanceof Int8Array || value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  }
  if (neo4j.isVector(value)) return [...value.asTypedArray()].map(jsonOf);
  const isTime = [
    neo4j.isDate,
    neo4j.isDateTime,
    neo4j.isLocalDateTime,
    neo4j.isLocalTime,
    neo4j.isTime,
    neo4j.isDuration,
  ].some((is) => is(value));
  if (isTime) return String(value);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [name, jsonOf(member)]),
  );
}
