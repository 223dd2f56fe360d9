# The image holds one static binary, the root certificates and a data folder: no
# shell, no package manager, nobody but an unprivileged user.
#
#   docker build -t postrider .
#   docker run --rm -p 127.0.0.1:8080:8080 -v postrider:/data \
#     -e POSTRIDER_KAFKA_BROKERS=kafka.example.com:9092 postrider
#
# A configuration of your own: -v ./config.yaml:/etc/postrider/config.yaml:ro

ARG GO_VERSION=1.26

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags='-s -w' -o /out/postrider ./cmd/postrider
RUN mkdir /out/data

FROM scratch
LABEL org.opencontainers.image.title="postrider" \
      org.opencontainers.image.description="Email providers' event webhooks, proven, normalized and published to Kafka" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/LICENSE /
COPY --from=build /out/postrider /
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /data

# In a container the public listener must be reachable from outside of it. The
# admin listener stays on loopback; set POSTRIDER_ADMIN_LISTEN=0.0.0.0:8081 to
# open it to a scraper. The health check asks port 8081 whatever the
# configuration file is. With the public listener open,
# the embedded broker is only used when asked for (kafka.embedded.enabled).
ENV POSTRIDER_SERVER_LISTEN=0.0.0.0:8080 \
    POSTRIDER_ADMIN_LISTEN=127.0.0.1:8081 \
    POSTRIDER_KAFKA_EMBEDDED_DIR=/data/broker \
    POSTRIDER_SPOOL_DIR=/data/spool \
    POSTRIDER_QUARANTINE_DIR=/data/quarantine

USER 65532:65532
# ./config.yaml is read from here, by every command, when one is mounted.
WORKDIR /etc/postrider
VOLUME /data
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["/postrider", "healthcheck", "--admin", "http://127.0.0.1:8081"]
ENTRYPOINT ["/postrider"]
CMD ["serve"]
