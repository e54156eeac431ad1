# One image for every program; its argument says which (docs/OPERATIONS.md, "Image"):
#   docker build -t resproxy . && docker run resproxy orchestrator | agent | operator | keygen
# tests/system/production-install.test.ts goes through the same steps in an empty folder.

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc LICENSE ./
# No package runs a script of its own here.
RUN npm ci --ignore-scripts
COPY gen ./gen
COPY internal ./internal
COPY cmd ./cmd
COPY scripts ./scripts
RUN node scripts/build.ts && node scripts/sbom.ts > dist/sbom.cdx.json

# The programs bundled (docs/adr/0033): no packages, nothing that would be compiled or stripped at each start.
FROM node:24-slim
LABEL org.opencontainers.image.title="resproxy" org.opencontainers.image.licenses="Apache-2.0"
# The folder for keys, callers and data: the only one that is written to.
RUN install -d -o node -g node -m 700 /data
COPY --from=build /app/dist /app
ENV NODE_ENV=production RESPROXY_BIND=0.0.0.0 RESPROXY_ADMIN_BIND=0.0.0.0
WORKDIR /data
# By number, so that a platform can see that it is not root.
USER 1000:1000
EXPOSE 8080 9090 8443 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["node", "/app/programs/main.mjs", "health"]
ENTRYPOINT ["node", "/app/programs/main.mjs"]
CMD ["orchestrator"]
