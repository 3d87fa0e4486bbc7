# Builds with everything, runs with what is needed, as a user who owns none of it:
#   docker build -t gatehouse .
#   docker run --read-only --tmpfs /tmp -v gatehouse:/data -p 3000:3000 gatehouse
# With DATABASE_URL set, /data is not used.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY prisma prisma
COPY scripts scripts
COPY src src
COPY plugins plugins
COPY routes routes
COPY ui ui
COPY bench bench
COPY faults faults
RUN npm run build
# what builds stays here: half of the packages' weight
RUN npm prune --omit=dev && npm uninstall --no-save --omit=dev prisma typescript esbuild

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 GATEHOUSE_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/package.json ./package.json
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/prisma/migrations ./prisma/migrations
COPY --from=build /app/scripts ./scripts
COPY --from=build /app/dist ./dist
RUN mkdir --mode=0700 /data && chown node:node /data
VOLUME /data
USER node
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=40s CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 3000) + '/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=32", "--heap-growing-percent=50", "--enable-source-maps", "dist/src/main.js"]
