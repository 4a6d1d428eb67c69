# A node of the hub. Built in one stage, run in another that has neither the compiler nor the packages of development.
FROM node:24.21.0-bookworm-slim AS base
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/protocol/package.json packages/protocol/
COPY packages/client/package.json packages/client/
COPY docker/package.json docker/

FROM base AS build
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.base.json ./
COPY packages packages
COPY scripts scripts
COPY server server
COPY web web
RUN npm run --silent build

FROM base AS packages
# With the optional packages of the hub, which docker/package.json depends on.
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force

FROM node:24.21.0-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
LABEL org.opencontainers.image.title="Axiom Streaming" \
      org.opencontainers.image.description="A node of the hub: Socket.IO, WebSocket and SSE" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8001
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json ./
COPY packages/protocol/package.json packages/protocol/
COPY packages/client/package.json packages/client/
COPY --from=build /app/dist/server dist/server
COPY --from=build /app/dist/page dist/page
COPY --from=build /app/packages/protocol/dist packages/protocol/dist
COPY --from=build /app/packages/client/dist packages/client/dist
COPY docker/start.mjs docker/healthcheck.mjs docker/
USER node
EXPOSE 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --start-interval=1s --retries=3 CMD ["node", "docker/healthcheck.mjs"]
ENTRYPOINT ["tini", "--"]
CMD ["node", "--enable-source-maps", "docker/start.mjs"]
