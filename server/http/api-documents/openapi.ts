/** The OpenAPI 3.1 document of the hub's HTTP routes. */
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { ERRORS } from '../../errors.js';
import { hasRetryAfter } from '../../transports/problem.js';
import { components, schemaOf } from './components.js';
import type { Json } from './json-schema.js';
import { type Answer, EXAMPLE_ORIGIN, type Parameter, type Route } from './route.js';
import { errorsOf, ROUTES } from './routes.js';

export interface DocumentOptions {
  readonly version: string;
  /** `http://host:port`, and the base path, by which the reader reached the hub; examples use it. */
  readonly url: string;
}

/** @returns the document, fit for `JSON.stringify` */
export function openApi({ version, url }: DocumentOptions): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of ROUTES) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(route, url) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Axiom Streaming over HTTP',
      version,
      description:
        'Publish, read, and operate the hub. Socket.IO and WebSocket are in `/asyncapi.json`; `docs/PROTOCOL.md` explains order, recovery and gaps. Examples are for a shell; `TOKEN` is a token with the grants they need, or the publish key that a hub without a secret prints when it starts.',
    },
    servers: [{ url }],
    tags: [
      { name: 'Publish', description: 'Messages into streams.' },
      { name: 'Read', description: 'Live, newest, and past messages.' },
      { name: 'Operate', description: 'Health, nodes, metrics.' },
      { name: 'Administer', description: 'Tokens and connections.' },
      { name: 'Agents', description: 'For language models.' },
    ],
    paths,
    components: {
      schemas: components(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A JWT, or the key of a service.' },
      },
    },
  };
}

function operation(route: Route, url: string): Json {
  const { id, tag, summary, description, token, parameters, body, example } = route;
  const text = [description, `\`\`\`sh\n${example.replaceAll(EXAMPLE_ORIGIN, url)}\n\`\`\``];
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: text.filter((part) => part !== undefined).join('\n\n'),
    security: { none: [], optional: [{}, { bearer: [] }], required: [{ bearer: [] }] }[token],
    ...(parameters === undefined ? {} : { parameters: parameters.map(parameter) }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            description: body.description,
            content: { 'application/json': { schema: schemaOf(body.schema), example: body.example } },
          },
        }),
    responses: { ...Object.fromEntries(route.answers.map(answer)), ...refusals(route) },
  };
}

function parameter({ name, in: place, description, schema, example }: Parameter): Json {
  return {
    name,
    in: place,
    description,
    required: place === 'path' || name === 'topics',
    schema: schemaOf(schema),
    ...(example === undefined ? {} : { example }),
  };
}

function answer({ status, description, type, or, schema }: Answer): [string, Json] {
  if (type === undefined) return [String(status), { description }];
  const text = { schema: { type: 'string' } };
  const content = {
    [type]: schema === undefined ? text : { schema: schemaOf(schema) },
    ...(or === undefined ? {} : { [or]: text }),
  };
  return [String(status), { description, content }];
}

/** One answer for each status, with the codes that it may carry. */
function refusals(route: Route): Record<string, Json> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of errorsOf(route)) {
    const { status } = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const known = new Set(route.answers.map(({ status }) => status));
  const found = [...byStatus].filter(([status]) => !known.has(status));
  return Object.fromEntries(
    found.map(([status, codes]) => [
      String(status),
      {
        description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(' '),
        ...(codes.some(hasRetryAfter)
          ? { headers: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } } }
          : {}),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}
