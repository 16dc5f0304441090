# The operator's image. The lab builds the same binary into the same kind of image without a daemon (hack/lab).
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=v0.1.0 -t ghcr.io/xmppfed/operator:v0.1.0 .

ARG GO_VERSION=1.26

# The builder runs on the machine's own platform and cross-compiles, which is faster than emulation.
FROM --platform=$BUILDPLATFORM docker.io/library/golang:${GO_VERSION} AS builder
ARG TARGETOS
ARG TARGETARCH
WORKDIR /src

# Modules change less often than code, so they get a layer of their own.
COPY go.mod go.sum ./
RUN go mod download

COPY api/ api/
COPY cmd/ cmd/
COPY controllers/ controllers/
COPY internal/ internal/
RUN CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH} \
    go build -trimpath -ldflags='-s -w' -o /xmppfed-operator ./cmd/operator

FROM gcr.io/distroless/static:nonroot
ARG VERSION=dev
LABEL org.opencontainers.image.title="xmppfed operator" \
      org.opencontainers.image.source="https://github.com/xmppfed/xmppfed" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=builder /xmppfed-operator /xmppfed-operator
# The number of user nonroot: Kubernetes can prove runAsNonRoot only for a number.
USER 65532:65532
ENTRYPOINT ["/xmppfed-operator"]
