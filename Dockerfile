# One image for every program; its argument says which (docs/OPERATIONS.md, "Image"):
#   docker build -t resproxy . && docker run resproxy orchestrator | agent | operator | keygen
# tests/system/production-install.test.ts goes through the same steps in an empty folder.

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev
COPY scripts/sbom.ts ./scripts/
RUN npm run --silent sbom > sbom.cdx.json

FROM node:24-slim
LABEL org.opencontainers.image.title="resproxy" org.opencontainers.image.licenses="Apache-2.0"
# The folder for keys, callers and data: the only one that is written to.
RUN install -d -o node -g node -m 700 /data
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY --from=packages /app/sbom.cdx.json ./
COPY package.json LICENSE ./
COPY gen ./gen
COPY internal ./internal
COPY cmd ./cmd
ENV NODE_ENV=production RESPROXY_BIND=0.0.0.0 RESPROXY_ADMIN_BIND=0.0.0.0
WORKDIR /data
# By number, so that a platform can see that it is not root.
USER 1000:1000
EXPOSE 8080 9090 8443 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["node", "/app/cmd/image/main.ts", "health"]
ENTRYPOINT ["node", "/app/cmd/image/main.ts"]
CMD ["orchestrator"]
