/** The bundles of the two libraries have no types. */
declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  export default function SwaggerUI(options: Record<string, unknown>): unknown;
}
declare module '@asyncapi/react-component/browser/standalone/index.js' {
  const component: { render(options: { schema: unknown; config: object }, container: Element): void };
  export default component;
}
