# The whole of mxdesk in one image, with PostgreSQL inside:
#   docker build -t mxdesk .
#   docker run --stop-timeout 40 -p 25:2525 -p 127.0.0.1:8025:8025 -v mxdesk:/var/lib/mxdesk mxdesk
# Without PostgreSQL, for those who have one (MXDESK_DATABASE_URL):
#   docker build -t mxdesk:lean --target lean .

ARG DEBIAN=trixie

FROM golang:1.26-${DEBIAN} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /mxdesk .

FROM debian:${DEBIAN}-slim AS lean
# bash speaks to the health page: the image has no HTTP client.
RUN apt-get update \
 && apt-get install -y --no-install-recommends bash ca-certificates tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 825 --user-group --home-dir /var/lib/mxdesk --create-home --shell /usr/sbin/nologin mxdesk \
 && chmod 750 /var/lib/mxdesk
COPY --from=build /mxdesk /usr/local/bin/mxdesk
USER mxdesk
WORKDIR /var/lib/mxdesk
VOLUME /var/lib/mxdesk
# Ports above 1024 need no privilege; publish 2525 as 25. Loopback within a container is nobody else's.
ENV MXDESK_SMTP_LISTEN=:2525 \
    MXDESK_API_LISTEN=:8025 \
    MXDESK_METRICS_LISTEN=:9025 \
    MXDESK_LOG_FORMAT=json
EXPOSE 2525 8025 9025
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9025 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r status <&3 && [[ $status == *' 200 '* ]]"]
ENTRYPOINT ["mxdesk"]
CMD ["serve"]

FROM lean
USER root
# The drop-in keeps Debian from making a cluster of its own.
RUN mkdir -p /etc/postgresql-common/createcluster.d \
 && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/mxdesk.conf \
 && apt-get update \
 && apt-get install -y --no-install-recommends postgresql \
 && rm -rf /var/lib/apt/lists/*
USER mxdesk
