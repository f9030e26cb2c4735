# syntax=docker/dockerfile:1
#
# The same image as `make image` makes, for those who build with an engine: docker build --tag credwright .

FROM rust:1.95-bookworm AS build
# aws-lc is built by cmake.
RUN apt-get update && apt-get install --yes --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --bin credwright && install -D target/dist/credwright /out/credwright

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="credwright"
LABEL org.opencontainers.image.description="A Kubernetes operator that issues, publishes, rotates and revokes API credentials"
LABEL org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/credwright /usr/local/bin/credwright
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/credwright"]
